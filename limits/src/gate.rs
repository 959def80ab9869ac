//! One gateway worker's requests, from arrival to answer: group commit as a state machine.
//!
//! The filter calls a method for each of Envoy's callbacks and performs what it answers; nothing
//! here touches Envoy. Requests that need the ledger gather in an outbox; **one** call carries all of
//! them; while it is under way more gather, and its reply sends the next. At low load a batch is one
//! request and nothing waits.
//!
//! Calls [`crate::plan`] for what a request is charged; `verdict` words the answer; `degraded`
//! decides without the ledger; `settles` gives charges back.

mod degraded;
mod settles;
mod verdict;

use crate::plan::{Facts, PlannedCharge};
use crate::policy::{Policy, Refund};
use crate::wire::{self, DecideReply, Decision, Request};
use degraded::Local;
use settles::Settles;
use std::collections::HashMap;
pub use verdict::Answer;

/// Envoy's number for a stream, unique within a worker.
pub type StreamId = u32;

/// The most requests that may wait for the ledger at once; the rest is decided without it.
pub const MAX_WAITING: usize = 10_000;
/// The most bytes of requests in one call: well under what the shim takes.
const MAX_CALL_BYTES: usize = wire::MAX_BODY_BYTES / 2;
/// How much longer than its time-out a call may take before it counts as lost.
const LOST_AFTER_MS: u64 = 1_000;

/// The state of one worker.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
    streams: HashMap<StreamId, Stream>,
    outbox: Vec<Waiting>,
    deciding: Option<Deciding>,
    settles: Settles,
    local: Local,
    woken: bool,
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
    /// [`wire::DECIDE_PATH`].
    Decide,
    /// [`wire::SETTLE_PATH`].
    Settle,
}

/// A call to make to the shim. At most one of a kind is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where to.
    pub kind: CallKind,
    /// The JSON body.
    pub body: Vec<u8>,
    /// How long to wait for the reply, in ms.
    pub timeout_ms: u64,
}

/// A call's reply, as far as there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply<'a> {
    /// The `:status`; Envoy makes one up for a call that failed.
    pub status: Option<&'a [u8]>,
    /// The value of [`wire::MARKER_HEADER`], which only the shim sets.
    pub marker: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

/// A request's outcome, as its response shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The HTTP status.
    pub status: u16,
    /// Whether the response says that it came from a cache.
    pub is_cache_hit: bool,
}

#[derive(Debug)]
enum Stream {
    /// In the outbox, or in the call under way.
    Waiting,
    /// Let through, or refused with an answer that has its headers already.
    Decided { headers: Vec<(&'static str, String)>, charged: Option<Charged> },
}

/// What a request was charged, for giving it back.
#[derive(Debug)]
struct Charged {
    decision: String,
    charges: Vec<PlannedCharge>,
}

#[derive(Debug)]
struct Waiting {
    stream: StreamId,
    rule: Option<usize>,
    charges: Vec<PlannedCharge>,
    json: String,
}

#[derive(Debug)]
struct Deciding {
    batch: Vec<Waiting>,
    lost_at_ms: u64,
}

impl Gate {
    /// A worker that has seen no request yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            streams: HashMap::new(),
            outbox: Vec::new(),
            deciding: None,
            settles: Settles::default(),
            local: Local::default(),
            woken: false,
        }
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A request has arrived.
    pub fn request(&mut self, now_ms: u64, stream: StreamId, facts: &impl Facts) -> Disposition {
        let plan = match self.policy.plan(facts) {
            Ok(plan) => plan,
            Err(bad) => return Disposition::Answer(self.answered(stream, verdict::bad_path(bad))),
        };
        if plan.charges.is_empty() {
            return Disposition::Pass(verdict::exempt(plan.rule));
        }
        let request = Request { charges: plan.charges.iter().map(|c| c.charge.clone()).collect() };
        let json = serde_json::to_string(&request).unwrap_or_default();
        let waiting = Waiting { stream, rule: plan.rule, charges: plan.charges, json };
        if self.outbox.len() >= MAX_WAITING {
            return self.degrade(now_ms, &waiting);
        }
        self.streams.insert(stream, Stream::Waiting);
        self.outbox.push(waiting);
        Disposition::Pause
    }

    /// Whether the worker's queue must be woken, so that [`Gate::ready`] is called. Says so once.
    pub fn take_wake(&mut self) -> bool {
        let has_work =
            (self.deciding.is_none() && !self.outbox.is_empty()) || self.settles.is_ready();
        let wake = has_work && !self.woken;
        self.woken |= wake;
        wake
    }

    /// The calls to make now. Each is answered by [`Gate::reply`], also when it could not be made.
    pub fn ready(&mut self, now_ms: u64) -> Vec<Call> {
        self.woken = false;
        let timeout_ms = self.policy.timeout_ms;
        let mut calls = Vec::new();
        if self.deciding.is_none() && !self.outbox.is_empty() {
            let batch = self.take_batch();
            let bodies: Vec<_> = batch.iter().map(|waiting| waiting.json.as_str()).collect();
            let body = format!("{{\"requests\":[{}]}}", bodies.join(",")).into_bytes();
            self.deciding =
                Some(Deciding { batch, lost_at_ms: now_ms + timeout_ms + LOST_AFTER_MS });
            calls.push(Call { kind: CallKind::Decide, body, timeout_ms });
        }
        if let Some(body) = self.settles.take_call(now_ms + timeout_ms + LOST_AFTER_MS) {
            calls.push(Call { kind: CallKind::Settle, body, timeout_ms });
        }
        calls
    }

    /// A call's reply has come, or the call has failed. Answers the streams that can go on.
    pub fn reply(&mut self, now_ms: u64, kind: CallKind, reply: Reply<'_>) -> Vec<Release> {
        match kind {
            CallKind::Settle => {
                self.settles.replied(genuine(reply).is_some());
                Vec::new()
            }
            CallKind::Decide => {
                let batch = self.deciding.take().map(|call| call.batch).unwrap_or_default();
                match decisions(reply, &batch) {
                    Some(decisions) => self.decided(now_ms, batch, decisions),
                    None => self.failed(now_ms, batch),
                }
            }
        }
    }

    /// Some time has passed: a call whose reply never came is given up, unsettled charges are tried
    /// again. To be called about once a second.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Release> {
        self.settles.tick(now_ms);
        match self.deciding.take_if(|call| call.lost_at_ms <= now_ms) {
            Some(lost) => self.failed(now_ms, lost.batch),
            None => Vec::new(),
        }
    }

    /// A response is on its way: the headers to add to it. Charges are given back as the policy says.
    pub fn response(&mut self, stream: StreamId, outcome: Outcome) -> Vec<(&'static str, String)> {
        let Some(Stream::Decided { headers, charged }) = self.streams.get_mut(&stream) else {
            return Vec::new();
        };
        let headers = std::mem::take(headers);
        if let Some(mut charged) = charged.take() {
            let policy = &self.policy;
            charged.charges.retain(|planned| {
                let bucket = policy.buckets.get(planned.bucket);
                bucket.is_some_and(|bucket| bucket.refund.iter().any(|why| why.covers(outcome)))
            });
            self.settles.give_back(&charged);
        }
        headers
    }

    /// A stream has ended, however it did. If it was still waiting, what it may have been charged is
    /// given back once that is known.
    pub fn done(&mut self, stream: StreamId) {
        if let Some(Stream::Waiting) = self.streams.remove(&stream) {
            self.outbox.retain(|waiting| waiting.stream != stream);
        }
    }

    fn take_batch(&mut self) -> Vec<Waiting> {
        let mut bytes = 0;
        let fitting = self.outbox.iter().take(wire::MAX_BATCH).take_while(|waiting| {
            bytes += waiting.json.len();
            bytes <= MAX_CALL_BYTES
        });
        let count = fitting.count().max(1).min(self.outbox.len());
        let later = self.outbox.split_off(count);
        std::mem::replace(&mut self.outbox, later)
    }

    fn decided(
        &mut self,
        now_ms: u64,
        batch: Vec<Waiting>,
        decisions: Vec<Decision>,
    ) -> Vec<Release> {
        let mut releases = Vec::with_capacity(batch.len());
        for (waiting, decision) in batch.into_iter().zip(decisions) {
            let stream = waiting.stream;
            if self.streams.contains_key(&stream) {
                let disposition = self.release(now_ms, waiting, decision);
                releases.push(Release { stream, disposition });
            } else if let Some(charged) = charged(waiting.charges, decision) {
                self.settles.give_back(&charged);
            }
        }
        releases
    }

    fn release(&mut self, now_ms: u64, waiting: Waiting, decision: Decision) -> Disposition {
        if !is_decided(&waiting, &decision) {
            return self.degrade(now_ms, &waiting);
        }
        let verdict = verdict::by_ledger(&self.policy, &waiting, &decision);
        let charged = charged(waiting.charges, decision);
        self.settled_on(waiting.stream, verdict, charged)
    }

    fn failed(&mut self, now_ms: u64, batch: Vec<Waiting>) -> Vec<Release> {
        let mut releases = Vec::with_capacity(batch.len());
        for waiting in batch {
            if self.streams.contains_key(&waiting.stream) {
                let disposition = self.degrade(now_ms, &waiting);
                releases.push(Release { stream: waiting.stream, disposition });
            }
        }
        releases
    }

    /// Decides without the ledger, each bucket as its `on_failure` says.
    fn degrade(&mut self, now_ms: u64, waiting: &Waiting) -> Disposition {
        let verdict = self.local.decide(now_ms, &self.policy, waiting);
        self.settled_on(waiting.stream, verdict, None)
    }

    fn settled_on(
        &mut self,
        stream: StreamId,
        verdict: verdict::Verdict,
        charged: Option<Charged>,
    ) -> Disposition {
        match verdict {
            verdict::Verdict::Pass { summary, headers } => {
                self.streams.insert(stream, Stream::Decided { headers, charged });
                Disposition::Pass(summary)
            }
            verdict::Verdict::Answer(answer) => Disposition::Answer(self.answered(stream, answer)),
        }
    }

    /// An answer of our own passes the response callback too: it has all its headers already.
    fn answered(&mut self, stream: StreamId, answer: Answer) -> Answer {
        self.streams.insert(stream, Stream::Decided { headers: Vec::new(), charged: None });
        answer
    }
}

impl Refund {
    fn covers(self, outcome: Outcome) -> bool {
        match self {
            Self::Success => (200..400).contains(&outcome.status),
            Self::ClientError => (400..500).contains(&outcome.status),
            Self::ServerError => (500..600).contains(&outcome.status),
            Self::CacheHit => outcome.is_cache_hit,
        }
    }
}

/// The body of a reply that is the shim's own; anything else is a failure in disguise.
fn genuine<'a>(reply: Reply<'a>) -> Option<&'a [u8]> {
    let is_marked = reply.marker == Some(wire::MARKER_VALUE.as_bytes());
    (is_marked && reply.status == Some(b"200")).then_some(reply.body)
}

/// The decisions of a genuine reply that fit the batch, one for one.
fn decisions(reply: Reply<'_>, batch: &[Waiting]) -> Option<Vec<Decision>> {
    let reply: DecideReply = serde_json::from_slice(genuine(reply)?).ok()?;
    let fits = reply.decisions.len() == batch.len()
        && batch
            .iter()
            .zip(&reply.decisions)
            .all(|(waiting, decision)| decision.charges.len() == waiting.charges.len());
    fits.then_some(reply.decisions)
}

/// Whether a decision can be acted on: it is no error, and its charges say what it says.
fn is_decided(waiting: &Waiting, decision: &Decision) -> bool {
    let mut enforced =
        waiting.charges.iter().zip(&decision.charges).filter(|(c, _)| c.charge.enforce);
    let fits = enforced.all(|(_, outcome)| outcome.admitted);
    decision.error.is_none() && decision.admitted == fits
}

/// What a decision charged: all charges of an admitted request, but for shadows that did not fit.
fn charged(charges: Vec<PlannedCharge>, decision: Decision) -> Option<Charged> {
    let taken = charges.into_iter().zip(&decision.charges).filter(|(_, outcome)| outcome.admitted);
    let charges = taken.map(|(planned, _)| planned).collect();
    decision.admitted.then_some(Charged { decision: decision.id, charges })
}

#[cfg(test)]
mod tests;
