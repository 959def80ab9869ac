//! Handles the reply to a call, or its failure.

use super::call::{CallKind, CallTimes, Reply};
use super::charged;
use super::finish::Decided;
use super::lease::Granted;
use super::metrics::{By, Event};
use super::outbox::Waiting;
use super::settles::SettleResult;
use super::shared::SharedData;
use super::verdict::{self, Judged};
use super::{Gate, Release, Released, ms};
use crate::wire::{self, DecideReply, Decision, DecisionError};

impl Gate {
    /// Handles the reply to call `id`, or its failure. Returns the streams to release. Ignores a
    /// reply to a call that was given up.
    pub fn reply(
        &mut self,
        now_us: u64,
        id: u32,
        kind: CallKind,
        reply: Reply<'_>,
        shared: &impl SharedData,
    ) -> Vec<Released> {
        match kind {
            CallKind::Decide => return self.decided(now_us, id, decisions(reply), shared),
            CallKind::Settle => self.settled(now_us, id, settle_result(reply)),
            CallKind::Probe => self.probed(now_us, genuine_body(reply).is_some()),
        }
        Vec::new()
    }

    /// Handles the decisions of decide call `id`, one for each of its requests in order; `None` if
    /// it failed. Returns the streams to release. Ignores a call that was given up.
    pub fn decided(
        &mut self,
        now_us: u64,
        id: u32,
        decisions: Option<Vec<Decision>>,
        shared: &impl SharedData,
    ) -> Vec<Released> {
        let Some(call) = self.deciding.take(id) else { return Vec::new() };
        let Some(decisions) = decisions.filter(|decisions| all_fit(&call.batch, decisions)) else {
            return self.fail(now_us, call, shared);
        };
        self.metrics.record_call(CallKind::Decide, true);
        self.note_contact(true);
        self.breaker.succeeded();
        let times = CallTimes { asked_ms: call.sent_ms, answered_ms: ms(now_us) };
        let mut released = Vec::with_capacity(call.batch.len());
        for (waiting, decision) in call.batch.into_iter().zip(decisions) {
            let stream = waiting.stream;
            self.learn(times, &waiting, &decision);
            if !self.is_waiting(stream) {
                let parts = charged::by_ledger(&waiting.asked.charges, &decision);
                self.give_back(times.answered_ms, parts);
                continue;
            }
            self.metrics.observe(Event::WaitUs, now_us.saturating_sub(waiting.arrived_us));
            let release = self.decide(times.answered_ms, &waiting, &decision, shared);
            released.push(Released { stream, release });
        }
        released
    }

    /// Handles the result of settle call `id`. Ignores a call that was given up.
    pub fn settled(&mut self, now_us: u64, id: u32, result: SettleResult) {
        let outcome = self.settles.replied(ms(now_us), id, result);
        self.note_settled(outcome);
    }

    /// Handles the result of a probe. `ok`: the ledger can decide.
    pub fn probed(&mut self, now_us: u64, ok: bool) {
        self.metrics.record_call(CallKind::Probe, ok);
        self.note_contact(ok);
        if self.breaker.probed(ms(now_us), ok) && self.closes.is_none() {
            self.metrics.add(Event::BreakersOpen, -1);
        }
    }

    /// Records what a decision reveals beyond its own request: leases and exhausted counters.
    fn learn(&mut self, times: CallTimes, waiting: &Waiting, decision: &Decision) {
        let asked = waiting.asked.charges.iter().map(|planned| &planned.charge);
        if !decision.admitted && !self.denied.note(asked.zip(&decision.charges), times) {
            self.metrics.increment(Event::DeniedBeforeFull);
        }
        for (planned, outcome) in waiting.asked.charges.iter().zip(&decision.charges) {
            self.demand.note_outcome(&planned.charge.counter, outcome);
            let Some(grant) = outcome.lease.filter(|_| decision.admitted && outcome.admitted)
            else {
                continue;
            };
            self.metrics.add_amount(Event::LeasesGranted, grant.granted);
            let decision = decision.id.as_str().into();
            let granted = Granted { decision, grant, outcome: *outcome, times };
            if let Some(part) = self.leases.take(planned, granted) {
                self.return_lease(&part);
            }
        }
        if self.closes.is_some() {
            self.return_leases(times.answered_ms);
        }
    }

    /// Applies the ledger's decision to a request. Decides without it if it cannot be used.
    fn decide(
        &mut self,
        now_ms: u64,
        waiting: &Waiting,
        decision: &Decision,
        shared: &impl SharedData,
    ) -> Release {
        let (stream, asked) = (waiting.stream, &waiting.asked);
        if !is_decided(waiting, decision) {
            return self.degrade(now_ms, stream, asked, shared);
        }
        let mut buckets = asked.charges.iter().map(|planned| planned.bucket);
        let parts = if buckets.any(|bucket| charged::is_refundable(&self.policy, bucket)) {
            charged::by_ledger(&asked.charges, decision)
        } else {
            Vec::new()
        };
        let judged = decision.charges.iter();
        let judged: Vec<Judged> =
            judged.map(|outcome| Judged { by: By::Ledger, outcome: Some(*outcome) }).collect();
        let verdict = verdict::render(&self.policy, asked, &judged, now_ms);
        self.finish(now_ms, Decided { stream, asked, judged: &judged, verdict, parts })
    }
}

/// Returns the body of a successful reply that comes from the shim itself.
fn genuine_body<'a>(reply: Reply<'a>) -> Option<&'a [u8]> {
    (is_marked(reply) && reply.status == Some(b"200")).then_some(reply.body)
}

fn is_marked(reply: Reply<'_>) -> bool {
    reply.marker == Some(wire::MARKER_VALUE.as_bytes())
}

/// Classifies the reply to a settle call. A retry would get the same 4xx from the shim, except
/// after 408 and 429, which mean that it was too busy.
fn settle_result(reply: Reply<'_>) -> SettleResult {
    match reply.status {
        _ if genuine_body(reply).is_some() => SettleResult::Accepted,
        Some(b"408" | b"429") => SettleResult::Lost,
        Some([b'4', ..]) if is_marked(reply) => SettleResult::Rejected,
        _ => SettleResult::Lost,
    }
}

/// Parses the decisions of a genuine reply.
fn decisions(reply: Reply<'_>) -> Option<Vec<Decision>> {
    let reply: DecideReply = serde_json::from_slice(genuine_body(reply)?).ok()?;
    Some(reply.decisions)
}

/// Returns true if there is a decision for each request.
fn all_fit(batch: &[Waiting], decisions: &[Decision]) -> bool {
    decisions.len() == batch.len()
        && batch.iter().zip(decisions).all(|(waiting, decision)| fits(waiting, decision))
}

/// Returns true if a decision has the charges of its request. A decision that the ledger could not
/// give has no charges.
fn fits(waiting: &Waiting, decision: &Decision) -> bool {
    let is_missing =
        decision.error == Some(DecisionError::Unavailable) && decision.charges.is_empty();
    is_missing || decision.charges.len() == waiting.asked.charges.len()
}

/// Returns true if a decision can be used: the ledger made it, and it is consistent with its
/// charges.
fn is_decided(waiting: &Waiting, decision: &Decision) -> bool {
    let charges = waiting.asked.charges.iter();
    let mut enforced = charges.zip(&decision.charges).filter(|(c, _)| c.charge.enforce);
    let fits = enforced.all(|(_, outcome)| outcome.admitted);
    decision.error != Some(DecisionError::Unavailable) && decision.admitted == fits
}
