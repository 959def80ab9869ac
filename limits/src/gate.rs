//! One gateway worker's requests, from arrival to answer: group commit as a state machine.
//!
//! The filter calls a method for each of Envoy's callbacks and performs what it returns; nothing here
//! touches Envoy. Each event has a file:
//!
//! | event | method | file |
//! |---|---|---|
//! | a request arrives | [`Gate::request`] | `arrive` |
//! | the worker's queue is woken | [`Gate::ready`] | `ready` |
//! | a call is answered, or has failed | [`Gate::reply`] | `reply` |
//! | some time has passed | [`Gate::tick`] | `tick` |
//! | a response is on its way; a stream ends | [`Gate::response`], [`Gate::done`] | `respond` |
//! | the policy is replaced | [`Gate::close`], [`Gate::is_idle`] | `close` |
//!
//! A request is decided at once if its counter denied a moment ago (`denied`), or if a part of it is
//! leased (`lease`, asked for where there is `demand`). The others gather in an `outbox`, and a call
//! carries all of them. While it is under way (`deciding`) more gather, until they are half as many,
//! or nothing is under way any more. At low load a batch is one request and nothing waits; at high
//! load batches are large, and the worker has another to send while the ledger is at work on the
//! first.
//!
//! No request waits longer than the policy's time-out (`give_up`). When the ledger cannot answer, each
//! bucket does what its `on_failure` says (`degraded`), and after repeated failures the ledger is not
//! asked any more, but probed (`breaker`).
//!
//! Every decision ends the same way: `verdict` renders it for the client and the access log, `finish`
//! records it and remembers its stream. `give_back` returns charges and leases, through `settles`.
//! `metrics` and `log` report on all of it.

mod arrive;
mod close;
mod ready;
mod reply;
mod respond;
mod tick;

mod finish;
mod give_back;
mod give_up;

mod again;
mod breaker;
mod call;
mod charged;
mod deciding;
mod degraded;
mod demand;
mod denied;
mod lease;
mod log;
mod metrics;
mod outbox;
mod settles;
mod shared;
mod timer;
mod trace;
mod verdict;

use crate::policy::Policy;
use again::Again;
use breaker::Breaker;
pub use call::{Call, CallKind, Reply};
pub use charged::Outcome;
use charged::Part;
use deciding::Calls;
pub use deciding::MAX_CALLS;
use demand::Demand;
use denied::DeniedBefore;
use lease::Leases;
use log::DenialLog;
use metrics::Metrics;
pub use metrics::{DESCRIBED_METRICS, DescribedMetric, MetricKind, Sample};
use outbox::Outbox;
pub use outbox::{MAX_WAITING, StreamId};
use rustc_hash::FxHashMap;
use settles::Settles;
pub use shared::{SharedData, prepare};
use timer::Timer;
pub use verdict::Answer;

/// How often to call [`Gate::tick`], in ms: a request waits at most so much longer than the policy's
/// time-out.
pub const TICK_MS: u64 = 50;
/// How much longer than its time-out a call may take before it counts as lost.
const LOST_AFTER_MS: u64 = 1_000;

/// The state of one worker.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
    streams: FxHashMap<StreamId, Stream>,
    outbox: Outbox,
    deciding: Calls,
    breaker: Breaker,
    denied: DeniedBefore,
    again: Again,
    demand: Demand,
    leases: Leases,
    settles: Settles,
    metrics: Metrics,
    log: DenialLog,
    /// The number of the last call.
    calls: u32,
    /// The worker's queue has been woken, and [`Gate::ready`] not yet called.
    woken: bool,
    /// Set once the worker's policy has been replaced: when to give up what could not be settled.
    closes: Option<Timer>,
}

/// What to do with a request that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Pause it until it is [`Released`].
    Pause,
    /// Release it at once.
    Release(Release),
}

/// What to do with a request that has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Let it pass; the text is for the access log.
    Pass(String),
    /// Answer it in place of the upstream.
    Refuse(Answer),
}

/// A paused request that has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Its stream; it may be gone.
    pub stream: StreamId,
    /// What to do with it.
    pub release: Release,
}

/// What to do with a response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// Headers to add to it.
    pub headers: Vec<(&'static str, String)>,
    /// Whether the worker's queue must be woken, as where [`Gate::take_wake`] returns true.
    pub wakes: bool,
}

#[derive(Debug)]
enum Stream {
    /// In the outbox, or in a call under way.
    Waiting,
    /// Let through, or refused with an answer that has its headers already. `charged` may be refunded
    /// once the response is there.
    Decided { headers: Vec<(&'static str, String)>, charged: Vec<Part> },
}

impl Gate {
    /// Creates a worker that has seen no request yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            metrics: Metrics::new(&policy),
            policy,
            streams: FxHashMap::default(),
            outbox: Outbox::default(),
            deciding: Calls::default(),
            breaker: Breaker::default(),
            denied: DeniedBefore::default(),
            again: Again::default(),
            demand: Demand::default(),
            leases: Leases::default(),
            settles: Settles::default(),
            log: DenialLog::default(),
            calls: 0,
            woken: false,
            closes: None,
        }
    }

    /// Takes what has been counted since the last time.
    pub fn take_samples(&mut self) -> Vec<Sample> {
        self.metrics.take()
    }

    /// Returns the name of [`Sample::metric`].
    #[must_use]
    pub fn metric_name(&self, metric: usize) -> String {
        metrics::name(&self.policy, metric)
    }

    /// Takes the denials to log now.
    pub fn take_log(&mut self, now_us: u64) -> Vec<String> {
        self.log.take(ms(now_us))
    }
}

impl From<Release> for Disposition {
    fn from(release: Release) -> Self {
        Self::Release(release)
    }
}

/// Returns whole ms.
const fn ms(now_us: u64) -> u64 {
    now_us / 1_000
}

#[cfg(test)]
mod tests;
