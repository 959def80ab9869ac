//! What the shim replied, and what the gate does about it. Part of the gate.

use super::charged;
use super::deciding::Deciding;
use super::metrics::{By, Event};
use super::outbox::Waiting;
use super::settles::Answer as Settling;
use super::shared::SharedData;
use super::verdict::Judged;
use super::{CallKind, Disposition, Gate, Release, Stream, StreamId, WaitMs, ms};
use crate::policy::Refund;
use crate::wire::{self, DecideReply, Decision, DecisionError};
use std::rc::Rc;

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

impl Gate {
    /// The call `id` was answered, or has failed. Answers the streams that can go on. A reply to a
    /// call that was given up is ignored.
    pub fn reply(
        &mut self,
        now_us: u64,
        id: u32,
        kind: CallKind,
        reply: Reply<'_>,
        shared: &impl SharedData,
    ) -> Vec<Release> {
        match kind {
            CallKind::Settle => {
                let sending = self.settles.replied(ms(now_us), id, settling(reply));
                self.sent(sending);
                Vec::new()
            }
            CallKind::Probe => {
                let well = genuine(reply).is_some();
                self.metrics.called(CallKind::Probe, well);
                if self.breaker.probed(ms(now_us), well) && self.closes.is_none() {
                    self.metrics.add(Event::BreakersOpen, -1);
                }
                Vec::new()
            }
            CallKind::Decide => {
                let Some(call) = self.deciding.take(id) else {
                    return Vec::new();
                };
                let waited = WaitMs { from_ms: call.sent_ms, to_ms: ms(now_us) };
                match decisions(reply, &call.batch) {
                    Some(decisions) => self.decided(now_us, waited, call.batch, decisions, shared),
                    None => self.failed(now_us, call, shared),
                }
            }
        }
    }

    fn decided(
        &mut self,
        now_us: u64,
        waited: WaitMs,
        batch: Vec<Waiting>,
        decisions: Vec<Decision>,
        shared: &impl SharedData,
    ) -> Vec<Release> {
        self.metrics.called(CallKind::Decide, true);
        self.breaker.succeeded();
        let mut releases = Vec::with_capacity(batch.len());
        for (waiting, decision) in batch.into_iter().zip(decisions) {
            let stream = waiting.stream;
            self.learn(waited, &waiting, &decision);
            if !self.is_waiting(stream) {
                let name: Rc<str> = decision.id.as_str().into();
                let parts = charged::by_ledger(&waiting.asked.charges, &decision, &name);
                self.give_back(waited.to_ms, parts);
                continue;
            }
            self.metrics.observe(Event::WaitUs, now_us.saturating_sub(waiting.arrived_us));
            let disposition = self.release(waited.to_ms, &waiting, &decision, shared);
            releases.push(Release { stream, disposition });
        }
        releases
    }

    /// Takes what the decision says beyond itself: leases, and which counters are exhausted.
    fn learn(&mut self, waited: WaitMs, waiting: &Waiting, decision: &Decision) {
        let asked = waiting.asked.charges.iter().map(|planned| &planned.charge);
        if !decision.admitted && !self.denied.note(asked.zip(&decision.charges), waited) {
            self.metrics.happened(Event::DeniedBeforeFull);
        }
        let name: Rc<str> = decision.id.as_str().into();
        for (planned, outcome) in waiting.asked.charges.iter().zip(&decision.charges) {
            self.demand.answered(&planned.charge.counter, outcome);
            let Some(grant) = outcome.lease.filter(|_| decision.admitted && outcome.admitted)
            else {
                continue;
            };
            self.metrics.added(Event::LeasesGranted, grant.granted);
            let granted = (grant, *outcome);
            let back = self.leases.take(waited.to_ms, waited.from_ms, &name, planned, granted);
            if let Some(part) = back {
                self.return_lease(&part);
            }
        }
        if self.closes.is_some() {
            self.return_leases(waited.to_ms);
        }
    }

    fn release(
        &mut self,
        now_ms: u64,
        waiting: &Waiting,
        decision: &Decision,
        shared: &impl SharedData,
    ) -> Disposition {
        let asked = &waiting.asked;
        if !is_decided(waiting, decision) {
            return self.degrade(now_ms, waiting.stream, asked, shared);
        }
        let may_be_free =
            asked.charges.iter().any(|planned| charged::may_be_free(&self.policy, planned.bucket));
        let parts = if may_be_free {
            charged::by_ledger(&asked.charges, decision, &decision.id.as_str().into())
        } else {
            Vec::new()
        };
        let judged = decision.charges.iter();
        let judged: Vec<Judged> =
            judged.map(|outcome| Judged { by: By::Ledger, outcome: Some(*outcome) }).collect();
        self.judged(now_ms, waiting.stream, asked, &judged, parts)
    }

    /// The call of `batch` failed. If that opens the breaker, nobody waits any longer.
    pub(super) fn failed(
        &mut self,
        now_us: u64,
        call: Deciding,
        shared: &impl SharedData,
    ) -> Vec<Release> {
        self.metrics.called(CallKind::Decide, false);
        let (mut batch, mut releases) = (call.batch, Vec::new());
        if call.is_telling {
            self.deciding.doubt();
        }
        if call.is_telling && self.breaker.failed(ms(now_us)) {
            self.metrics.happened(Event::BreakerOpened);
            if self.closes.is_none() {
                self.metrics.add(Event::BreakersOpen, 1);
            }
            batch.extend(self.outbox.take_all());
            let calls = std::mem::take(&mut self.deciding);
            releases.extend(calls.waiting().filter_map(|one| self.give_up(now_us, one, shared)));
            self.deciding = calls;
        }
        releases.extend(batch.iter().filter_map(|one| self.give_up(now_us, one, shared)));
        releases
    }

    /// Decides without the ledger what has waited for as long as the policy allows. If its call is
    /// answered yet, what was charged is given back.
    pub(super) fn overdue(&mut self, now_us: u64, shared: &impl SharedData) -> Vec<Release> {
        let until_us = now_us.saturating_sub(self.policy.timeout_ms * 1_000);
        let gathered = self.outbox.take_overdue(until_us);
        let mut releases: Vec<Release> =
            gathered.iter().filter_map(|one| self.give_up(now_us, one, shared)).collect();
        let calls = std::mem::take(&mut self.deciding);
        let late = calls.overdue(until_us);
        releases.extend(late.filter_map(|one| self.give_up(now_us, one, shared)));
        self.deciding = calls;
        releases
    }

    fn give_up(
        &mut self,
        now_us: u64,
        waiting: &Waiting,
        shared: &impl SharedData,
    ) -> Option<Release> {
        if !self.is_waiting(waiting.stream) {
            return None;
        }
        self.metrics.observe(Event::WaitUs, now_us.saturating_sub(waiting.arrived_us));
        let disposition = self.degrade(ms(now_us), waiting.stream, &waiting.asked, shared);
        Some(Release { stream: waiting.stream, disposition })
    }

    fn is_waiting(&self, stream: StreamId) -> bool {
        matches!(self.streams.get(&stream), Some(Stream::Waiting))
    }
}

impl Refund {
    pub(super) fn covers(self, outcome: Outcome) -> bool {
        match self {
            Self::Success => (200..400).contains(&outcome.status),
            Self::ClientError => (400..500).contains(&outcome.status),
            Self::ServerError => (500..600).contains(&outcome.status),
            Self::CacheHit => outcome.is_cache_hit,
            Self::Status(status) => outcome.status == status,
        }
    }
}

/// The body of a reply that is the shim's own; anything else is a failure in disguise.
fn genuine<'a>(reply: Reply<'a>) -> Option<&'a [u8]> {
    (is_marked(reply) && reply.status == Some(b"200")).then_some(reply.body)
}

fn is_marked(reply: Reply<'_>) -> bool {
    reply.marker == Some(wire::MARKER_VALUE.as_bytes())
}

/// What became of a settle call. The shim's own 4xx would be the same again, except that it may be
/// too busy to listen.
fn settling(reply: Reply<'_>) -> Settling {
    match reply.status {
        _ if genuine(reply).is_some() => Settling::Taken,
        Some(b"408" | b"429") => Settling::None,
        Some([b'4', ..]) if is_marked(reply) => Settling::Refused,
        _ => Settling::None,
    }
}

/// The decisions of a genuine reply that fit the batch, one for one.
fn decisions(reply: Reply<'_>, batch: &[Waiting]) -> Option<Vec<Decision>> {
    let reply: DecideReply = serde_json::from_slice(genuine(reply)?).ok()?;
    let fits = reply.decisions.len() == batch.len()
        && batch.iter().zip(&reply.decisions).all(|(waiting, decision)| fits(waiting, decision));
    fits.then_some(reply.decisions)
}

/// Whether a decision is one on what was asked. One that the ledger could not give has no charges.
fn fits(waiting: &Waiting, decision: &Decision) -> bool {
    let is_missing =
        decision.error == Some(DecisionError::Unavailable) && decision.charges.is_empty();
    is_missing || decision.charges.len() == waiting.asked.charges.len()
}

/// Whether a decision can be acted on: it is no error, and its charges say what it says.
fn is_decided(waiting: &Waiting, decision: &Decision) -> bool {
    let charges = waiting.asked.charges.iter();
    let mut enforced = charges.zip(&decision.charges).filter(|(c, _)| c.charge.enforce);
    let fits = enforced.all(|(_, outcome)| outcome.admitted);
    decision.error.is_none() && decision.admitted == fits
}
