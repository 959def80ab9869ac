//! One gateway worker's requests, from arrival to answer: group commit as a state machine.
//!
//! The filter calls a method for each of Envoy's callbacks and performs what it answers; nothing
//! here touches Envoy. A request is decided at once where that is possible: its counter denied a
//! moment ago (`denied`), or a part of it is leased (`lease`, asked for where there is `demand`).
//! The others gather in an `outbox`, and a call carries all of them. While it is under way
//! (`deciding`) more gather, until they are half as many, or nothing is under way any more. At low
//! load a batch is one request and nothing waits; at high load batches are large, and the worker has
//! another to send while the ledger is at work on the first.
//!
//! No request waits longer than the policy's time-out. When the ledger cannot answer, each bucket
//! does what its `on_failure` says (`degraded`), and after repeated failures the ledger is not asked
//! any more, but probed (`breaker`).
//!
//! Calls [`crate::plan`] for what a request is charged; `verdict` words the answer; `settles` gives
//! charges back; `metrics` and `log` tell of it all.

mod again;
mod breaker;
mod charged;
mod deciding;
mod degraded;
mod demand;
mod denied;
mod lease;
mod log;
mod metrics;
mod outbox;
mod reply;
mod settles;
mod shared;
mod timer;
mod trace;
mod verdict;

use crate::facts::Facts;
use crate::plan::PlannedCharge;
use crate::policy::Policy;
use crate::wire;
use again::Again;
use breaker::Breaker;
use charged::Part;
pub use deciding::MAX_CALLS;
use deciding::{Calls, Deciding};
use demand::Demand;
use denied::DeniedBefore;
use lease::Leases;
use log::DenialLog;
use metrics::{By, Event, Metrics};
pub use metrics::{MetricKind, Sample};
pub use outbox::MAX_WAITING;
use outbox::{Asked, Outbox, Waiting};
pub use reply::{Outcome, Reply};
use rustc_hash::FxHashMap;
use settles::{Sending, Settles};
pub use shared::{SharedData, prepare};
use timer::Timer;
pub use verdict::Answer;
use verdict::{Judged, Verdict};

/// Envoy's number for a stream, unique within a worker.
pub type StreamId = u32;

/// How often [`Gate::tick`] is to be called, in ms: by so much at most a request waits longer than
/// the policy's time-out.
pub const TICK_MS: u64 = 50;
/// How much longer than its time-out a call may take before it counts as lost.
const LOST_AFTER_MS: u64 = 1_000;
/// How long a probe waits for its reply: a pause of the ledger is not taken for an answer.
const PROBE_TIMEOUT_MS: u64 = 1_000;
/// How long a gate that closes tries to settle.
const CLOSES_WITHIN_MS: u64 = 30_000;

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
    calls: u32,
    woken: bool,
    /// The worker's policy has been replaced: no more leases are taken, and nothing is waited for
    /// any longer than this.
    closes: Option<Timer>,
}

/// What to do with a request that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Let it pass; the text is for the access log.
    Pass(String),
    /// Pause it until it is released.
    Pause,
    /// Refuse it.
    Answer(Answer),
}

/// A paused request whose decision is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The paused stream; it may be gone.
    pub stream: StreamId,
    /// What to do with it: [`Disposition::Pass`] or [`Disposition::Answer`].
    pub disposition: Disposition,
}

/// Which of the shim's routes a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// `POST` [`wire::DECIDE_PATH`].
    Decide,
    /// `POST` [`wire::SETTLE_PATH`].
    Settle,
    /// `GET` [`wire::HEALTH_PATH`].
    Probe,
}

/// A call to make to the shim. At most [`MAX_CALLS`] that decide are under way, and one of each other
/// kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Names it in [`Gate::reply`].
    pub id: u32,
    /// Where to.
    pub kind: CallKind,
    /// Headers beside those of any call to the shim.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON body; empty for a probe.
    pub body: Vec<u8>,
    /// How long to wait for the reply, in ms.
    pub timeout_ms: u64,
}

/// When the ledger was asked, and when it had answered, by the worker's clock.
#[derive(Debug, Clone, Copy)]
struct WaitMs {
    from_ms: u64,
    to_ms: u64,
}

#[derive(Debug)]
enum Stream {
    /// In the outbox, or in a call under way.
    Waiting,
    /// Let through, or refused with an answer that has its headers already. `charged` is what its
    /// response may show to be free.
    Decided { headers: Vec<(&'static str, String)>, charged: Vec<Part> },
}

impl Gate {
    /// A worker that has seen no request yet.
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

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A request has arrived. `now_us`, here and below: Unix µs on the worker's clock.
    pub fn request(
        &mut self,
        now_us: u64,
        stream: StreamId,
        facts: &impl Facts,
        shared: &impl SharedData,
    ) -> Disposition {
        let plan = match self.policy.plan(facts) {
            Ok(plan) => plan,
            Err(bad) => {
                self.metrics.happened(Event::BadPath);
                return Disposition::Answer(self.answered(stream, verdict::bad_path(bad)));
            }
        };
        if plan.charges.is_empty() {
            self.metrics.happened(Event::Exempt);
            return Disposition::Pass(verdict::exempt(&self.policy, plan.rule));
        }
        let asked = Asked { rule: plan.rule, charges: plan.charges };
        if let Some(known) = self.decide_here(ms(now_us), stream, &asked) {
            return known;
        }
        if self.outbox.is_full() {
            self.metrics.happened(Event::OutboxFull);
        }
        if self.breaker.is_open() || self.outbox.is_full() {
            return self.degrade(ms(now_us), stream, &asked, shared);
        }
        self.gather(now_us, stream, asked, facts);
        Disposition::Pause
    }

    /// Whether the worker's queue must be woken, so that [`Gate::ready`] is called. Says so once.
    pub fn take_wake(&mut self, now_us: u64) -> bool {
        let settles = !self.breaker.is_open() && self.settles.is_ready(ms(now_us));
        let has_work = self.deciding.are_worth_one(self.outbox.len()) || settles;
        let wake = has_work && !self.woken;
        self.woken |= wake;
        wake
    }

    /// The calls to make now. Each is answered by [`Gate::reply`], also when it could not be made.
    pub fn ready(&mut self, now_us: u64) -> Vec<Call> {
        self.woken = false;
        let now_ms = ms(now_us);
        let timeout_ms = self.policy.timeout_ms;
        let lost_after_ms = timeout_ms + LOST_AFTER_MS;
        let mut calls = Vec::new();
        while self.deciding.are_worth_one(self.outbox.len()) {
            let (batch, body) = self.outbox.take_batch();
            self.metrics.observe(Event::BatchSize, batch.len() as u64);
            let mut headers = std::mem::take(&mut self.outbox.trace);
            if self.policy.has_known_salt() {
                headers.push((wire::SALT_HEADER, wire::SALT_KNOWN.to_owned()));
            }
            let id = self.call_id();
            let lost = Timer::after(now_ms, lost_after_ms);
            let call = Deciding { call: id, batch, sent_ms: now_ms, lost, is_telling: true };
            self.deciding.push(call);
            calls.push(Call { id, kind: CallKind::Decide, headers, body, timeout_ms });
        }
        if !self.breaker.is_open() && self.settles.is_ready(now_ms) {
            let (id, kind) = (self.call_id(), CallKind::Settle);
            if let Some(body) = self.settles.take_call(now_ms, id, lost_after_ms) {
                calls.push(Call { id, kind, headers: Vec::new(), body, timeout_ms });
            }
        }
        if self.breaker.take_probe(now_ms, PROBE_TIMEOUT_MS + LOST_AFTER_MS) {
            let (id, kind, timeout_ms) = (self.call_id(), CallKind::Probe, PROBE_TIMEOUT_MS);
            calls.push(Call { id, kind, headers: Vec::new(), body: Vec::new(), timeout_ms });
        }
        calls
    }

    /// Some time has passed: requests that have waited long enough are decided without the ledger,
    /// a call whose reply never came is given up, leases end, unsettled charges are tried again. To
    /// be called every [`TICK_MS`].
    pub fn tick(&mut self, now_us: u64, shared: &impl SharedData) -> Vec<Release> {
        let now_ms = ms(now_us);
        self.return_leases(now_ms);
        let sending = self.settles.tick(now_ms);
        self.sent(sending);
        let mut releases = Vec::new();
        while let Some(lost) = self.deciding.take_lost(now_ms) {
            releases.extend(self.failed(now_us, lost, shared));
        }
        releases.extend(self.overdue(now_us, shared));
        releases
    }

    /// Whether what the response of `stream` shows may give charges back. Where it may not,
    /// [`Gate::response_headers`] is enough, and the host need not be asked for the rest: its calls
    /// cost more than all that is done here.
    #[must_use]
    pub fn awaits_outcome(&self, stream: StreamId) -> bool {
        let found = self.streams.get(&stream);
        matches!(found, Some(Stream::Decided { charged, .. }) if !charged.is_empty())
    }

    /// A response is on its way that gives nothing back: the headers to add to it, once.
    pub fn response_headers(&mut self, stream: StreamId) -> Vec<(&'static str, String)> {
        match self.streams.get_mut(&stream) {
            Some(Stream::Decided { headers, .. }) => std::mem::take(headers),
            _ => Vec::new(),
        }
    }

    /// A response is on its way: the headers to add to it, once. Charges are given back as the
    /// policy says.
    pub fn response(
        &mut self,
        now_us: u64,
        stream: StreamId,
        outcome: Outcome,
    ) -> Vec<(&'static str, String)> {
        let headers = self.response_headers(stream);
        if let Some(Stream::Decided { charged, .. }) = self.streams.get_mut(&stream) {
            let charged = std::mem::take(charged);
            let free = charged.into_iter().filter(|part| {
                let bucket = self.policy.buckets.get(part.bucket);
                bucket.is_some_and(|bucket| bucket.refund.iter().any(|why| why.covers(outcome)))
            });
            let free = free.collect();
            self.give_back(ms(now_us), free);
        }
        headers
    }

    /// A stream has ended, however it did. If it was still waiting, what it may have been charged is
    /// given back once that is known.
    pub fn done(&mut self, stream: StreamId) {
        if let Some(Stream::Waiting) = self.streams.remove(&stream) {
            self.outbox.remove(stream);
        }
    }

    /// The worker's policy has been replaced, or the worker ends: what is leased is given back.
    pub fn close(&mut self, now_us: u64) {
        if self.closes.is_none() && self.breaker.is_open() {
            self.metrics.add(Event::BreakersOpen, -1);
        }
        self.closes = Some(Timer::after(ms(now_us), CLOSES_WITHIN_MS));
        self.return_leases(ms(now_us));
    }

    /// Whether nothing waits to be sent or answered. A gate that closes gives up what it could not
    /// settle within half a minute; it stays charged.
    #[must_use]
    pub fn is_idle(&self, now_us: u64) -> bool {
        let is_due = self.closes.is_some_and(|closes| closes.is_due(ms(now_us)));
        is_due || (self.outbox.is_empty() && self.deciding.is_empty() && self.settles.is_idle())
    }

    /// What has been counted since the last time.
    pub fn take_samples(&mut self) -> Vec<Sample> {
        self.metrics.take()
    }

    /// The name of [`Sample::metric`].
    #[must_use]
    pub fn metric_name(&self, metric: usize) -> String {
        metrics::name(&self.policy, metric)
    }

    /// The denials to log now.
    pub fn take_log(&mut self, now_us: u64) -> Vec<String> {
        self.log.take(ms(now_us))
    }

    /// Decides a request that need not wait for the ledger.
    fn decide_here(&mut self, now_ms: u64, stream: StreamId, asked: &Asked) -> Option<Disposition> {
        if let Some(outcomes) = self.denied.find(now_ms, &asked.charges) {
            self.metrics.happened(Event::DeniedBeforeHits);
            let judged =
                outcomes.into_iter().map(|outcome| Judged { by: By::DeniedBefore, outcome });
            return Some(self.denied_again(now_ms, stream, asked, &judged.collect::<Vec<_>>()));
        }
        for planned in &asked.charges {
            self.demand.note(now_ms, &planned.charge.counter);
        }
        let may_be_free = |bucket| charged::may_be_free(&self.policy, bucket);
        let (outcomes, parts) = self.leases.spend(now_ms, &asked.charges, may_be_free)?;
        let spent = asked.charges.iter().map(|planned| planned.charge.cost.get()).sum();
        self.metrics.added(Event::LeasesSpent, spent);
        let judged: Vec<Judged> = outcomes
            .into_iter()
            .map(|outcome| Judged { by: By::Lease, outcome: Some(outcome) })
            .collect();
        Some(self.judged(now_ms, stream, asked, &judged, parts))
    }

    /// A request was denied by what the ledger said a moment ago.
    fn denied_again(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        asked: &Asked,
        judged: &[Judged],
    ) -> Disposition {
        let verdict = match self.again.find(asked, judged) {
            Some(answer) => Verdict::Answer(answer.clone()),
            None => {
                let verdict = verdict::decided(&self.policy, asked, judged);
                if let Verdict::Answer(answer) = &verdict {
                    self.again.note(asked, judged, answer);
                }
                verdict
            }
        };
        self.worded(now_ms, stream, asked, judged, (verdict, Vec::new()))
    }

    /// Puts a request into the outbox.
    fn gather(&mut self, now_us: u64, stream: StreamId, mut asked: Asked, facts: &impl Facts) {
        if self.outbox.is_empty() {
            self.outbox.trace = trace::of(now_us, facts);
        }
        for planned in &mut asked.charges {
            self.ask_for_lease(ms(now_us), planned);
        }
        let charges = asked.charges.iter().map(|planned| &planned.charge).collect();
        let json = serde_json::to_string(&wire::Asked { charges }).unwrap_or_default();
        self.streams.insert(stream, Stream::Waiting);
        self.outbox.push(Waiting { stream, asked, arrived_us: now_us, json });
    }

    fn ask_for_lease(&mut self, now_ms: u64, planned: &mut PlannedCharge) {
        let charge = &mut planned.charge;
        if self.closes.is_none() && (self.leases.has_room() || self.leases.has(&charge.counter)) {
            charge.lease = self.demand.ask(now_ms, &charge.counter, &charge.quota);
        }
    }

    /// Decides without the ledger, each bucket as its `on_failure` says.
    fn degrade(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        asked: &Asked,
        shared: &impl SharedData,
    ) -> Disposition {
        self.metrics.happened(Event::Degraded);
        let (verdict, judged) = degraded::decide(now_ms, &self.policy, asked, shared);
        self.count(asked, &judged, matches!(verdict, Verdict::Answer(_)));
        self.disposed(now_ms, stream, verdict, Vec::new())
    }

    /// A request was decided by the ledger, now or a moment ago; `parts` were charged for it.
    fn judged(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        asked: &Asked,
        judged: &[Judged],
        parts: Vec<Part>,
    ) -> Disposition {
        let verdict = verdict::decided(&self.policy, asked, judged);
        self.worded(now_ms, stream, asked, judged, (verdict, parts))
    }

    fn worded(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        asked: &Asked,
        judged: &[Judged],
        (verdict, parts): (Verdict, Vec<Part>),
    ) -> Disposition {
        let refuses = matches!(verdict, Verdict::Answer(_));
        self.metrics.happened(if refuses { Event::Denied } else { Event::Admitted });
        self.count(asked, judged, refuses);
        self.disposed(now_ms, stream, verdict, parts)
    }

    fn disposed(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        verdict: Verdict,
        mut charged: Vec<Part>,
    ) -> Disposition {
        match verdict {
            Verdict::Pass { summary, headers } => {
                charged.retain(|part| charged::may_be_free(&self.policy, part.bucket));
                self.streams.insert(stream, Stream::Decided { headers, charged });
                Disposition::Pass(summary)
            }
            Verdict::Answer(answer) => {
                if !self.log.note(now_ms, || answer.summary.clone()) {
                    self.metrics.happened(Event::DenialsUnlogged);
                }
                Disposition::Answer(self.answered(stream, answer))
            }
        }
    }

    /// An answer of our own passes the response callback too: it has all its headers already.
    fn answered(&mut self, stream: StreamId, answer: Answer) -> Answer {
        self.streams.insert(stream, Stream::Decided { headers: Vec::new(), charged: Vec::new() });
        answer
    }

    /// Counts what became of each charge. Of a request that was refused, only those that refused it.
    fn count(&mut self, asked: &Asked, judged: &[Judged], refuses: bool) {
        for (planned, Judged { by, outcome }) in asked.charges.iter().zip(judged) {
            let fits = outcome.map_or(*by != By::Deny, |outcome| outcome.admitted);
            let verdict = match (refuses, fits) {
                (false, true) => metrics::Verdict::Admitted,
                (false, false) => metrics::Verdict::WouldDeny,
                (true, false) if planned.charge.enforce => metrics::Verdict::Denied,
                (true, _) => continue,
            };
            if outcome.is_some() || !matches!(by, By::Ledger | By::Lease | By::DeniedBefore) {
                self.metrics.decided(planned.bucket, *by, verdict);
            }
        }
    }

    /// Gives back parts of one request's charges.
    fn give_back(&mut self, now_ms: u64, parts: Vec<Part>) {
        let (leased, charged): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.lease_ms.is_some());
        let dropped = self.settles.give_back(&charged);
        self.metrics.added(Event::SettlesDropped, dropped as u64);
        for part in leased {
            if !self.leases.put_back(now_ms, &part) {
                self.return_lease(&part);
            }
        }
    }

    /// Gives back what is unspent of the leases that have ended; of all of them when closing.
    fn return_leases(&mut self, now_ms: u64) {
        let unspent =
            if self.closes.is_some() { self.leases.end_all() } else { self.leases.end_due(now_ms) };
        unspent.iter().for_each(|part| self.return_lease(part));
    }

    fn return_lease(&mut self, part: &Part) {
        self.metrics.added(Event::LeasesReturned, part.amount);
        let dropped = self.settles.return_lease(part);
        self.metrics.added(Event::SettlesDropped, dropped as u64);
    }

    fn sent(&mut self, sending: Sending) {
        match sending {
            Sending::Unknown => {}
            Sending::Arrived(settles) => {
                self.metrics.called(CallKind::Settle, true);
                for charge in settles.iter().flat_map(|settle| &settle.charges) {
                    self.denied.forget(&charge.counter);
                }
            }
            Sending::Failed => self.metrics.called(CallKind::Settle, false),
            Sending::GivenUp(count) => {
                self.metrics.called(CallKind::Settle, false);
                self.metrics.added(Event::SettlesDropped, count as u64);
            }
        }
    }

    fn call_id(&mut self) -> u32 {
        self.calls = self.calls.wrapping_add(1);
        self.calls
    }
}

/// Whole ms.
const fn ms(now_us: u64) -> u64 {
    now_us / 1_000
}

#[cfg(test)]
mod tests;
