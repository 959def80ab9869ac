//! A call to the shim is answered, or has failed.

use super::call::{CallKind, CallTimes, Reply};
use super::charged;
use super::finish::Decided;
use super::lease::Granted;
use super::metrics::{By, Event};
use super::outbox::Waiting;
use super::settles::Answer as Settling;
use super::shared::SharedData;
use super::verdict::{self, Judged};
use super::{Gate, Release, Released, ms};
use crate::wire::{self, DecideReply, Decision, DecisionError};

impl Gate {
    /// Takes the reply to the call `id`, or its failure, and returns the streams that it releases.
    /// Ignores a reply to a call that was given up.
    pub fn reply(
        &mut self,
        now_us: u64,
        id: u32,
        kind: CallKind,
        reply: Reply<'_>,
        shared: &impl SharedData,
    ) -> Vec<Released> {
        match kind {
            CallKind::Decide => return self.reply_to_decide(now_us, id, reply, shared),
            CallKind::Settle => {
                let sending = self.settles.replied(ms(now_us), id, settling(reply));
                self.note_settled(sending);
            }
            CallKind::Probe => {
                let well = genuine(reply).is_some();
                self.metrics.called(CallKind::Probe, well);
                if self.breaker.probed(ms(now_us), well) && self.closes.is_none() {
                    self.metrics.add(Event::BreakersOpen, -1);
                }
            }
        }
        Vec::new()
    }

    fn reply_to_decide(
        &mut self,
        now_us: u64,
        id: u32,
        reply: Reply<'_>,
        shared: &impl SharedData,
    ) -> Vec<Released> {
        let Some(call) = self.deciding.take(id) else { return Vec::new() };
        let Some(decisions) = decisions(reply, &call.batch) else {
            return self.fail(now_us, call, shared);
        };
        self.metrics.called(CallKind::Decide, true);
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

    /// Takes what the decision says beyond itself: leases, and which counters are exhausted.
    fn learn(&mut self, times: CallTimes, waiting: &Waiting, decision: &Decision) {
        let asked = waiting.asked.charges.iter().map(|planned| &planned.charge);
        if !decision.admitted && !self.denied.note(asked.zip(&decision.charges), times) {
            self.metrics.happened(Event::DeniedBeforeFull);
        }
        for (planned, outcome) in waiting.asked.charges.iter().zip(&decision.charges) {
            self.demand.answered(&planned.charge.counter, outcome);
            let Some(grant) = outcome.lease.filter(|_| decision.admitted && outcome.admitted)
            else {
                continue;
            };
            self.metrics.added(Event::LeasesGranted, grant.granted);
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

    /// Decides a request as the ledger did, or without it where its decision cannot be acted on.
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
        let verdict = verdict::render(&self.policy, asked, &judged);
        self.finish(now_ms, Decided { stream, asked, judged: &judged, verdict, parts })
    }
}

/// Returns the body of a reply that is the shim's own; anything else is a failure in disguise.
fn genuine<'a>(reply: Reply<'a>) -> Option<&'a [u8]> {
    (is_marked(reply) && reply.status == Some(b"200")).then_some(reply.body)
}

fn is_marked(reply: Reply<'_>) -> bool {
    reply.marker == Some(wire::MARKER_VALUE.as_bytes())
}

/// Reads what became of a settle call. The shim would repeat its own 4xx, unless it was too busy to
/// listen.
fn settling(reply: Reply<'_>) -> Settling {
    match reply.status {
        _ if genuine(reply).is_some() => Settling::Taken,
        Some(b"408" | b"429") => Settling::None,
        Some([b'4', ..]) if is_marked(reply) => Settling::Refused,
        _ => Settling::None,
    }
}

/// Reads the decisions of a genuine reply that fit the batch, one for one.
fn decisions(reply: Reply<'_>, batch: &[Waiting]) -> Option<Vec<Decision>> {
    let reply: DecideReply = serde_json::from_slice(genuine(reply)?).ok()?;
    let fits = reply.decisions.len() == batch.len()
        && batch.iter().zip(&reply.decisions).all(|(waiting, decision)| fits(waiting, decision));
    fits.then_some(reply.decisions)
}

/// Returns true if a decision is about what was asked. One that the ledger could not give has no
/// charges.
fn fits(waiting: &Waiting, decision: &Decision) -> bool {
    let is_missing =
        decision.error == Some(DecisionError::Unavailable) && decision.charges.is_empty();
    is_missing || decision.charges.len() == waiting.asked.charges.len()
}

/// Returns true if a decision can be acted on: it has no error, and agrees with its charges.
fn is_decided(waiting: &Waiting, decision: &Decision) -> bool {
    let charges = waiting.asked.charges.iter();
    let mut enforced = charges.zip(&decision.charges).filter(|(c, _)| c.charge.enforce);
    let fits = enforced.all(|(_, outcome)| outcome.admitted);
    decision.error.is_none() && decision.admitted == fits
}
