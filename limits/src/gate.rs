//! One gateway worker's requests, from arrival to answer: group commit as a state machine.
//!
//! The filter calls a method for each Envoy callback and performs what it returns. Nothing here
//! touches Envoy. Each event has its own file:
//!
//! | event | method | file |
//! |---|---|---|
//! | a request arrives | [`Gate::request`] | `arrive` |
//! | the worker's queue is woken | [`Gate::ready`] | `ready` |
//! | a call is answered or fails | [`Gate::reply`] | `reply` |
//! | time passes | [`Gate::tick`] | `tick` |
//! | a response arrives; a stream ends | [`Gate::response`], [`Gate::done`] | `respond` |
//! | a request comes back by an internal redirect | [`Gate::redirected`] | `redirected` |
//! | the policy is replaced | [`Gate::close`], [`Gate::is_idle`] | `close` |
//!
//! A request is decided at once if its counter denied a moment ago (`denied`) or if all its charges
//! are leased (`lease`; `demand` decides when to ask for leases). All others gather in an `outbox`,
//! and one call carries them all. While calls are under way (`deciding`), further requests gather.
//! They are sent when they are half as many as the largest of these calls carries, or when all
//! calls are done. At low load, a batch is one request and nothing waits. At high load, batches are
//! large, and the worker can send the next while the ledger works on the first.
//!
//! No request waits longer than the policy's timeout (`give_up`). When the ledger cannot answer,
//! each bucket applies its `on_failure` (`degraded`). After repeated failures, the worker makes no
//! calls and only probes the ledger (`breaker`).
//!
//! Every decision ends the same way: `verdict` renders it for the client and the access log, and
//! `finish` records it and stores its stream's state. `give_back` returns charges and leases,
//! through `settles`. `metrics` and `log` report on all of it.

mod arrive;
mod close;
mod contact;
mod ready;
mod redirected;
mod reply;
mod respond;
mod tick;

mod finish;
mod give_back;
mod give_up;

mod answer;
mod arrival;
mod breaker;
mod call;
mod charged;
mod condition_log;
mod deciding;
mod degraded;
mod demand;
mod denied;
mod kept;
mod lease;
mod log;
mod metrics;
mod outbox;
mod refusal_cache;
mod refused;
mod response_facts;
mod settles;
mod shared;
mod timer;
mod trace;
mod unreported;
mod verdict;

use crate::headers::Ours;
use crate::policy::Policy;
pub use answer::Answer;
pub use arrival::Arrival;
use breaker::Breaker;
pub use call::{Call, CallKind, Reply};
pub use charged::Outcome;
use charged::Part;
use condition_log::ConditionLog;
use contact::Contact;
use deciding::Calls;
pub use deciding::MAX_CALLS;
use demand::Demand;
use denied::DeniedBefore;
use kept::Kept;
use lease::Leases;
use log::BoundedLog;
pub use metrics::{DESCRIBED_METRICS, DescribedMetric, MetricKind, Sample};
use metrics::{Event, Metrics};
use outbox::Outbox;
pub use outbox::{MAX_WAITING, StreamId};
use refusal_cache::RefusalCache;
pub use response_facts::ResponseFacts;
use rustc_hash::FxHashMap;
pub use settles::SettleResult;
use settles::Settles;
pub use shared::{SharedData, prepare};
use std::sync::Arc;
use timer::Timer;
use unreported::Unreported;

/// The interval at which to call [`Gate::tick`], in ms. A request can wait this much longer than
/// the policy's timeout.
pub const TICK_MS: u64 = 50;
/// The time from a call's timeout until it counts as lost, in ms.
const LOST_AFTER_MS: u64 = 1_000;

/// The state of one worker.
#[derive(Debug)]
pub struct Gate {
    policy: Arc<Policy>,
    /// True if calls are made over HTTP, and so have bodies.
    writes_bodies: bool,
    streams: FxHashMap<StreamId, Stream>,
    redirects: Kept<Stream>,
    outbox: Outbox,
    deciding: Calls,
    breaker: Breaker,
    contact: Contact,
    denied: DeniedBefore,
    unreported: Unreported,
    refusals: RefusalCache,
    demand: Demand,
    leases: Leases,
    settles: Settles,
    metrics: Metrics,
    log: BoundedLog,
    refused_tokens: BoundedLog,
    conditions: ConditionLog,
    /// The id of the last call.
    calls: u32,
    /// True from when the worker's queue is woken until [`Gate::ready`] is called.
    woken: bool,
    /// Set once the worker's policy has been replaced: the time at which to give up unsettled
    /// charges.
    closes: Option<Timer>,
}

/// The action for a request that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Pause it until it is [`Released`].
    Pause,
    /// Release it at once.
    Release(Release),
}

/// The action for a request that has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Let it pass. The text is for the access log; empty if the policy has no `filter_state`.
    Pass(String),
    /// Answer it in place of the upstream. In a flood, the same answer is shared by many.
    Refuse(Arc<Answer>),
}

/// A paused request that has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Its stream, which may have ended.
    pub stream: StreamId,
    /// The action to take.
    pub release: Release,
}

/// The action for a response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// Headers to set on it.
    pub headers: Vec<(&'static str, String)>,
    /// A header of the upstream's to remove, because `headers` replace the set that it belongs to.
    pub removed: Option<&'static str>,
    /// True if the worker's queue must be woken, as when [`Gate::take_wake`] returns true.
    pub wakes: bool,
}

#[derive(Debug)]
enum Stream {
    /// In the outbox, or in a call under way.
    Waiting,
    /// Passed, and without a response. `charged` may be refunded when it arrives.
    Decided { ours: Ours, charged: Vec<Part> },
    /// Its response has begun. `charged` may be refunded by its trailers.
    Answered { charged: Vec<Part> },
}

impl Stream {
    /// Creates a passed stream that another gate decided.
    fn undecided_here() -> Self {
        Self::Decided { ours: Ours::default(), charged: Vec::new() }
    }
}

impl Gate {
    /// Creates a gate that calls a shim, and has not seen any requests.
    #[must_use]
    pub fn new(policy: impl Into<Arc<Policy>>) -> Self {
        let policy = policy.into();
        Self {
            metrics: Metrics::new(&policy),
            policy,
            writes_bodies: true,
            streams: FxHashMap::default(),
            redirects: Kept::default(),
            outbox: Outbox::default(),
            deciding: Calls::default(),
            breaker: Breaker::default(),
            contact: Contact::default(),
            denied: DeniedBefore::default(),
            unreported: Unreported::default(),
            refusals: RefusalCache::default(),
            demand: Demand::default(),
            leases: Leases::default(),
            settles: Settles::default(),
            log: BoundedLog::of("denials"),
            refused_tokens: BoundedLog::of("refused tokens"),
            conditions: ConditionLog::default(),
            calls: 0,
            woken: false,
            closes: None,
        }
    }

    /// Creates a gate beside its ledger, so that its calls have no bodies.
    #[must_use]
    pub fn beside_ledger(policy: impl Into<Arc<Policy>>) -> Self {
        Self { writes_bodies: false, ..Self::new(policy) }
    }

    /// Returns the samples counted since the last call.
    pub fn take_samples(&mut self) -> Vec<Sample> {
        self.metrics.take()
    }

    /// Returns the name of [`Sample::metric`].
    #[must_use]
    pub fn metric_name(&self, metric: usize) -> String {
        metrics::name(&self.policy, metric)
    }

    /// Returns the denials, refused tokens and failed conditions to log now.
    pub fn take_log(&mut self, now_us: u64) -> Vec<String> {
        let mut lines = self.log.take(ms(now_us));
        lines.append(&mut self.refused_tokens.take(ms(now_us)));
        lines.extend(self.conditions.take(ms(now_us)));
        lines
    }

    /// Returns the error to log now if the shim, or the ledger beside the gate, has never answered.
    pub fn take_warning(&mut self, now_us: u64) -> Option<String> {
        let failures = self.contact.take_warning(ms(now_us))?;
        if !self.writes_bodies {
            return Some(format!(
                "the ledger has not answered since this policy was loaded; {failures} calls failed. \
                 Check the URL in `ledger` or TOLLGATE_LEDGER"
            ));
        }
        Some(format!(
            "the shim has not answered since this policy was loaded; {failures} calls failed. \
             Check that the cluster {:?} (shim.cluster) exists and leads to `tollgate serve`, and \
             that nothing between refuses the host {:?} (shim.authority)",
            self.policy.cluster, self.policy.authority
        ))
    }

    /// Records the outcome of a call to the shim.
    fn note_contact(&mut self, ok: bool) {
        if self.contact.record(ok) && self.closes.is_none() {
            let change = if self.contact.is_missing() { 1 } else { -1 };
            self.metrics.add(Event::ShimUnanswered, change);
        }
    }
}

impl From<Release> for Disposition {
    fn from(release: Release) -> Self {
        Self::Release(release)
    }
}

/// Converts microseconds to whole milliseconds.
const fn ms(now_us: u64) -> u64 {
    now_us / 1_000
}

#[cfg(test)]
mod tests;
