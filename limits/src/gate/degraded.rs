//! Deciding without the ledger, each bucket as its `on_failure` says. Called by the gate.

use super::Waiting;
use super::verdict::{self, Verdict};
use crate::ledger::{Charge, Decided, Ledger, Method, Request, Terms, Tokens};
use crate::plan::PlannedCharge;
use crate::policy::{OnFailure, Policy};
use crate::quota::{Quota, WindowMs};
use crate::wire::ChargeOutcome;

/// The most counters a worker keeps by itself. When all of them still count, requests of further
/// keys are refused rather than let through uncounted.
const MAX_COUNTERS: usize = 10_000;

/// What this worker counts by itself while the ledger is away.
#[derive(Debug)]
pub(super) struct Local {
    ledger: Ledger,
}

impl Default for Local {
    fn default() -> Self {
        Self { ledger: Ledger::new(MAX_COUNTERS) }
    }
}

impl Local {
    pub(super) fn decide(&mut self, now_ms: u64, policy: &Policy, waiting: &Waiting) -> Verdict {
        if let Some(bucket) = first_denying(policy, &waiting.charges) {
            return verdict::unavailable(waiting, bucket);
        }
        let counted: Vec<bool> = waiting.charges.iter().map(|c| is_local(policy, c)).collect();
        let charges = waiting.charges.iter().zip(&counted).filter(|(_, counted)| **counted);
        let charges: Vec<_> = charges.filter_map(|(planned, _)| local_charge(planned)).collect();
        let Some(mut outcomes) = self.count(now_ms, charges) else {
            let fullest = waiting.charges.iter().find(|planned| is_local(policy, planned));
            let bucket = fullest.map_or("", |planned| planned.charge.counter.bucket());
            return verdict::unavailable(waiting, bucket);
        };
        let outcomes: Vec<Option<ChargeOutcome>> =
            counted.iter().map(|counted| if *counted { outcomes.next() } else { None }).collect();
        let seen: Vec<_> = outcomes.iter().map(Option::as_ref).collect();
        verdict::by_gateway(policy, waiting, &seen)
    }

    /// The outcomes of `charges`, all or nothing; none where they cannot be counted.
    fn count(
        &mut self,
        now_ms: u64,
        charges: Vec<Charge>,
    ) -> Option<std::vec::IntoIter<ChargeOutcome>> {
        if charges.is_empty() {
            return Some(Vec::new().into_iter());
        }
        let request = Request::new(charges).ok()?;
        let Decided { charges, .. } = self.ledger.decide(now_ms, &request).ok()?;
        Some(charges.into_iter())
    }
}

fn on_failure(policy: &Policy, planned: &PlannedCharge) -> OnFailure {
    policy.buckets.get(planned.bucket).map_or(OnFailure::Deny, |bucket| bucket.on_failure)
}

fn is_local(policy: &Policy, planned: &PlannedCharge) -> bool {
    on_failure(policy, planned) == OnFailure::Local
}

/// The first bucket that refuses what it cannot count. A shadow refuses nothing.
fn first_denying<'a>(policy: &Policy, charges: &'a [PlannedCharge]) -> Option<&'a str> {
    let denies = |planned: &&PlannedCharge| {
        planned.charge.enforce && on_failure(policy, planned) == OnFailure::Deny
    };
    charges.iter().find(denies).map(|planned| planned.charge.counter.bucket())
}

/// A calendar quota is counted as a sliding window of the period's length: the calendar is not
/// known here, and that never lets more through in a period.
fn local_charge(planned: &PlannedCharge) -> Option<Charge> {
    let charge = &planned.charge;
    let method = match &charge.quota {
        Quota::SlidingWindow(quota) => {
            Method::SlidingWindow { limit: quota.limit, window_ms: quota.window_ms }
        }
        Quota::FixedWindow(quota) => Method::SlidingWindow {
            limit: quota.limit,
            window_ms: WindowMs::clamped(quota.per.longest_ms()),
        },
        Quota::TokenBucket(quota) => {
            Method::TokenBucket(Tokens::new(quota.rate, quota.per_ms, quota.burst).ok()?)
        }
    };
    Some(Charge {
        counter: charge.counter.clone(),
        cost: charge.cost,
        enforce: charge.enforce,
        terms: Terms::limited(method),
        lease: None,
    })
}
