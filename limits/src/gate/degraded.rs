//! Decides requests without the ledger, applying each bucket's `on_failure`. Called by `finish`.

use super::metrics::By;
use super::outbox::Asked;
use super::shared::{self, SharedData, Uncounted};
use super::verdict::{self, Judged, Verdict};
use crate::ledger::{Charge, Method, Terms};
use crate::plan::PlannedCharge;
use crate::policy::{OnFailure, Policy};
use crate::quota::{Balance, FixedWindow, Quota, SlidingWindow, Start, WindowMs};

/// Decides and renders a request. Also returns the outcome of each charge.
pub(super) fn decide(
    now_ms: u64,
    policy: &Policy,
    asked: &Asked,
    shared: &impl SharedData,
) -> (Verdict, Vec<Judged>) {
    if let Some(planned) = first_denying(policy, &asked.charges) {
        return refused(policy, asked, Some(planned));
    }
    let is_enforced = |planned: &PlannedCharge| is_local(policy, planned) && planned.charge.enforce;
    // A shadow that cannot be counted must not refuse the request.
    let judged = count(now_ms, asked, shared, |planned| is_local(policy, planned))
        .or_else(|Uncounted| count(now_ms, asked, shared, is_enforced));
    match judged {
        Ok(judged) => (verdict::render(policy, asked, &judged, now_ms), judged),
        Err(Uncounted) => {
            let uncounted = asked.charges.iter().find(|planned| is_enforced(planned));
            refused(policy, asked, uncounted)
        }
    }
}

/// Charges the charges that `is_counted` selects, all or nothing. The others pass uncounted.
fn count(
    now_ms: u64,
    asked: &Asked,
    shared: &impl SharedData,
    is_counted: impl Fn(&PlannedCharge) -> bool,
) -> Result<Vec<Judged>, Uncounted> {
    let charges = asked.charges.iter().filter(|planned| is_counted(planned)).map(local_charge);
    let mut outcomes = shared::decide(now_ms, shared, &charges.collect::<Vec<_>>())?.into_iter();
    let judged = asked.charges.iter().map(|planned| match is_counted(planned) {
        true => Judged { by: By::Local, outcome: outcomes.next() },
        false => Judged { by: By::Allow, outcome: None },
    });
    Ok(judged.collect())
}

/// Refuses a request on behalf of a charge.
fn refused(
    policy: &Policy,
    asked: &Asked,
    refusing: Option<&PlannedCharge>,
) -> (Verdict, Vec<Judged>) {
    let bucket = refusing.map_or("", |planned| planned.charge.counter.bucket());
    let judged = asked.charges.iter().map(|planned| {
        let is_it = policy.buckets.get(planned.bucket).is_some_and(|found| found.name == bucket);
        Judged { by: if is_it { By::Deny } else { By::Allow }, outcome: None }
    });
    (verdict::unavailable(policy, asked, bucket, refusing), judged.collect())
}

/// Returns the action for a charge. An unlimited one passes, because it is never refused.
fn on_failure(policy: &Policy, planned: &PlannedCharge) -> OnFailure {
    if planned.charge.quota.is_unlimited() {
        return OnFailure::Allow;
    }
    policy.buckets.get(planned.bucket).map_or(OnFailure::Deny, |bucket| bucket.on_failure)
}

fn is_local(policy: &Policy, planned: &PlannedCharge) -> bool {
    on_failure(policy, planned) == OnFailure::Local
}

/// Returns the first bucket with `on_failure: deny`. Shadow charges never refuse.
fn first_denying<'a>(policy: &Policy, charges: &'a [PlannedCharge]) -> Option<&'a PlannedCharge> {
    let denies = |planned: &&PlannedCharge| {
        planned.charge.enforce && on_failure(policy, planned) == OnFailure::Deny
    };
    charges.iter().find(denies)
}

/// Converts a charge for the workers' local ledger.
///
/// A calendar quota becomes a sliding window of the period's length, because the calendar is not
/// known here. A sliding window never admits more in a period than the quota does.
fn local_charge(planned: &PlannedCharge) -> Charge {
    let charge = &planned.charge;
    let method = match charge.quota {
        Quota::SlidingWindow(window) => Method::SlidingWindow(window),
        Quota::FixedWindow(FixedWindow { limit, per, .. }) => {
            let window_ms = WindowMs::clamped(per.longest_ms());
            Method::SlidingWindow(SlidingWindow { limit, window_ms })
        }
        Quota::TokenBucket(bucket) => Method::TokenBucket(bucket),
        // A checked policy never counts a balance here. Without the ledger, nothing is left of it.
        Quota::Balance(_) => Method::Balance(Balance { start: Start::clamped(0) }),
    };
    Charge {
        counter: charge.counter.clone(),
        cost: charge.cost,
        enforce: charge.enforce,
        terms: Terms::limited(method),
        lease: None,
        // Blocks are the ledger's. Without it, only the limit counts.
        block: None,
    }
}
