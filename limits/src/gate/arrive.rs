//! Handles an arriving request: decides it at once if possible, otherwise puts it into the outbox.

use super::arrival::Arrival;
use super::charged;
use super::demand;
use super::finish::Decided;
use super::metrics::{self, By, Event};
use super::outbox::{Asked, StreamId, Waiting};
use super::refused;
use super::shared::SharedData;
use super::verdict::{self, Judged, Verdict};
use super::{Disposition, Gate, Release, Stream, degraded, ms, trace};
use crate::facts::Facts;
use crate::headers::Reset;
use crate::origin::Origin;
use crate::plan::{Blocked, Plan, PlannedCharge};
use crate::wire;
use std::sync::Arc;

/// The most bytes of a refused token's reason that are logged.
const MAX_REASON_BYTES: usize = 128;

impl Gate {
    /// Handles a request that has arrived. `now_us`, here and below: Unix µs on the gate's clock.
    pub fn request(
        &mut self,
        now_us: u64,
        stream: StreamId,
        facts: &impl Facts,
        shared: &impl SharedData,
    ) -> Disposition {
        let arrival = Arrival::of(&self.policy, facts);
        self.arrive(now_us, stream, arrival, facts, shared)
    }

    /// Like [`Gate::request`], for a request of which `arrival` has been read before. So a gate
    /// that several threads share is locked only for this. Here, `facts` is read only for the trace
    /// of a call to a shim.
    pub fn arrive(
        &mut self,
        now_us: u64,
        stream: StreamId,
        arrival: Arrival,
        facts: &impl Facts,
        shared: &impl SharedData,
    ) -> Disposition {
        if let Some(reason) = &arrival.refused_token {
            self.note_refused_token(ms(now_us), reason);
        }
        let plan = match arrival.plan {
            Ok(plan) => plan,
            Err(bad) => {
                self.metrics.increment(Event::BadPath);
                return self.refuse(stream, Arc::new(verdict::bad_path(bad))).into();
            }
        };
        if let Some(error) = &plan.failed {
            self.metrics.increment(Event::ConditionErrors);
            self.conditions.note(error.clone());
        }
        if !plan.blocked.is_empty()
            && let Some(release) = self.block(ms(now_us), stream, &plan)
        {
            return release.into();
        }
        if plan.charges.is_empty() {
            self.metrics.increment(Event::Exempt);
            return Release::Pass(verdict::exempt(&self.policy, &plan.matched)).into();
        }
        let Plan { matched, charges, .. } = plan;
        let mut asked = Asked { matched, charges, origin: Origin::UNKNOWN };
        if let Some(release) = self.decide_here(ms(now_us), stream, &asked) {
            return release.into();
        }
        asked.origin = degraded::origin(&self.policy, &asked.charges, facts);
        if self.outbox.is_full() {
            self.metrics.increment(Event::OutboxFull);
        }
        if self.breaker.is_open() || self.outbox.is_full() {
            return self.degrade(ms(now_us), stream, &asked, shared).into();
        }
        self.gather(now_us, stream, asked, facts);
        Disposition::Pause
    }

    /// Records the buckets whose limit is 0, and refuses the request if one of them is enforced.
    fn block(&mut self, now_ms: u64, stream: StreamId, plan: &Plan) -> Option<Release> {
        let bucket = |blocked: &Blocked| self.policy.buckets.get(blocked.bucket);
        let refusing = plan.blocked.iter().filter_map(bucket).find(|bucket| bucket.enforce);
        let answer = refusing.map(|bucket| {
            let mut answer = refused::blocked(&self.policy, &plan.matched, bucket);
            let charged = plan.charges.iter().flat_map(|planned| &planned.logged);
            let logged = plan.blocked.iter().flat_map(|blocked| &blocked.logged).chain(charged);
            verdict::log_keys(&mut answer.summary, logged);
            answer
        });
        for blocked in &plan.blocked {
            let enforce = bucket(blocked).is_some_and(|bucket| bucket.enforce);
            let verdict = match (enforce, &answer) {
                (true, _) => metrics::Verdict::Denied,
                (false, None) => metrics::Verdict::WouldDeny,
                (false, Some(_)) => continue,
            };
            self.metrics.record_charge(blocked.bucket, By::Policy, verdict);
        }
        let answer = answer?;
        self.metrics.increment(Event::Denied);
        self.log_denial(now_ms, &answer);
        Some(self.refuse(stream, Arc::new(answer)))
    }

    /// Records that a request's token was refused, so that it counts as a request without one.
    fn note_refused_token(&mut self, now_ms: u64, reason: &[u8]) {
        self.metrics.increment(Event::TokensRefused);
        let reason = reason.get(..MAX_REASON_BYTES).unwrap_or(reason);
        self.refused_tokens.note(now_ms, || {
            format!("a token was refused, so it counts for nobody: {}", reason.escape_ascii())
        });
    }

    /// Decides a request without a call, if a counter denied it a moment ago or all charges are
    /// leased.
    fn decide_here(&mut self, now_ms: u64, stream: StreamId, asked: &Asked) -> Option<Release> {
        if let Some(outcomes) = self.denied.find(now_ms, &asked.charges) {
            if !self.unreported.note_all(now_ms, &asked.charges, &outcomes) {
                return None;
            }
            self.metrics.increment(Event::DeniedBeforeHits);
            let judged =
                outcomes.into_iter().map(|outcome| Judged { by: By::DeniedBefore, outcome });
            return Some(self.deny_again(now_ms, stream, asked, &judged.collect::<Vec<_>>()));
        }
        for planned in &asked.charges {
            self.demand.note(now_ms, &planned.charge);
        }
        let is_refundable = |bucket| charged::is_refundable(&self.policy, bucket);
        let (outcomes, parts) = self.leases.spend(now_ms, &asked.charges, is_refundable)?;
        let spent = asked.charges.iter().map(|planned| planned.charge.cost.get()).sum();
        self.metrics.add_amount(Event::LeasesSpent, spent);
        let judged: Vec<Judged> = outcomes
            .into_iter()
            .map(|outcome| Judged { by: By::Lease, outcome: Some(outcome) })
            .collect();
        let verdict = verdict::render(&self.policy, asked, &judged, now_ms);
        Some(self.finish(now_ms, Decided { stream, asked, judged: &judged, verdict, parts }))
    }

    /// Refuses a request based on a recent denial. Reuses the last rendering if it is the same.
    fn deny_again(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        asked: &Asked,
        judged: &[Judged],
    ) -> Release {
        // Only a reset that is a time depends on the time.
        let shown_ms = match self.policy.x_ratelimit_reset {
            Reset::Delta => 0,
            Reset::Epoch => now_ms,
        };
        let verdict = match self.refusals.find(asked, judged, shown_ms) {
            Some(answer) => Verdict::Refuse(Arc::clone(answer)),
            None => {
                let verdict = verdict::render(&self.policy, asked, judged, now_ms);
                if let Verdict::Refuse(answer) = &verdict {
                    self.refusals.note(asked, judged, shown_ms, answer);
                }
                verdict
            }
        };
        self.finish(now_ms, Decided { stream, asked, judged, verdict, parts: Vec::new() })
    }

    /// Puts a request into the outbox.
    fn gather(&mut self, now_us: u64, stream: StreamId, mut asked: Asked, facts: &impl Facts) {
        if self.writes_bodies && self.outbox.is_empty() {
            self.outbox.trace = trace::of(now_us, facts);
        }
        for planned in &mut asked.charges {
            if let Some(block) = &mut planned.charge.block {
                self.unreported.report(ms(now_us), &planned.charge.counter, block);
            }
        }
        // A lease is spent only together with those of all other charges of the request.
        if asked.charges.iter().all(|planned| demand::has_leases(&planned.charge.quota)) {
            for planned in &mut asked.charges {
                self.ask_for_lease(ms(now_us), planned);
            }
        }
        let json = if self.writes_bodies {
            let charges = asked.charges.iter().map(|planned| &planned.charge).collect();
            serde_json::to_string(&wire::RequestRef { charges }).unwrap_or_default()
        } else {
            String::new()
        };
        self.streams.insert(stream, Stream::Waiting);
        self.outbox.push(Waiting { stream, asked, arrived_us: now_us, json });
    }

    fn ask_for_lease(&mut self, now_ms: u64, planned: &mut PlannedCharge) {
        let charge = &mut planned.charge;
        if self.closes.is_none() && (self.leases.has_room() || self.leases.has(&charge.counter)) {
            charge.lease = self.demand.ask(now_ms, &charge.counter, &charge.quota);
        }
    }
}
