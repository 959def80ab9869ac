//! Decides requests without the ledger, applying each bucket's `on_failure`. Called by `finish`.

use super::metrics::By;
use super::outbox::Asked;
use super::shared::{self, SharedData};
use super::verdict::{self, Judged, Verdict};
use crate::facts::Facts;
use crate::ledger::{Charge, Claim, Method, NoPlace, Terms};
use crate::networks;
use crate::origin::Origin;
use crate::plan::PlannedCharge;
use crate::policy::{OnFailure, Policy, WhenFull};
use crate::quota::{Balance, FixedWindow, Quota, SlidingWindow, Start, WindowMs};

/// A request decided without the ledger.
pub(super) struct Degraded {
    pub(super) verdict: Verdict,
    /// One outcome per charge.
    pub(super) judged: Vec<Judged>,
    /// The number of counters that lost their places in the shared table although they counted.
    pub(super) evicted: u64,
}

/// Returns the network that a request comes from; unknown if no bucket is counted here.
pub(super) fn origin(policy: &Policy, charges: &[PlannedCharge], facts: &impl Facts) -> Origin {
    let is_local = |planned: &PlannedCharge| on_failure(policy, planned).is_local();
    let address = charges.iter().any(is_local).then(|| facts.client_address()).flatten();
    address.and_then(|address| networks::address(&address)).map_or(Origin::UNKNOWN, Origin::of)
}

/// Decides and renders a request.
pub(super) fn decide(
    now_ms: u64,
    policy: &Policy,
    asked: &Asked,
    shared: &impl SharedData,
) -> Degraded {
    let denies = |planned: &&PlannedCharge| {
        planned.charge.enforce && on_failure(policy, planned) == OnFailure::Deny
    };
    if let Some(planned) = asked.charges.iter().find(denies) {
        return refused(policy, asked, Some(planned), By::Deny);
    }
    let local = || asked.charges.iter().filter(|one| on_failure(policy, one).is_local());
    let claims: Vec<Claim> = local().map(|planned| claim(policy, asked, planned)).collect();
    let counted = match shared::decide(now_ms, shared, &claims) {
        Ok(counted) => counted,
        Err(NoPlace { claim }) => return refused(policy, asked, local().nth(claim), By::Full),
    };
    let mut outcomes = counted.outcomes.into_iter();
    let judged = asked.charges.iter().map(|planned| {
        if !on_failure(policy, planned).is_local() {
            return Judged { by: By::Allow, outcome: None };
        }
        let outcome = outcomes.next().flatten();
        Judged { by: if outcome.is_some() { By::Local } else { By::Full }, outcome }
    });
    let judged: Vec<Judged> = judged.collect();
    let verdict = verdict::render(policy, asked, &judged, now_ms);
    Degraded { verdict, judged, evicted: counted.evicted }
}

/// Refuses a request on behalf of a charge that cannot be counted.
fn refused(policy: &Policy, asked: &Asked, refusing: Option<&PlannedCharge>, by: By) -> Degraded {
    let bucket = refusing.map(|planned| planned.bucket);
    let judged = asked.charges.iter().map(|planned| {
        let is_it = Some(planned.bucket) == bucket;
        Judged { by: if is_it { by } else { By::Allow }, outcome: None }
    });
    let judged = judged.collect();
    let verdict = verdict::unavailable(policy, asked, refusing, by);
    Degraded { verdict, judged, evicted: 0 }
}

/// Returns the action for a charge. An unlimited one passes, because it is never refused.
fn on_failure(policy: &Policy, planned: &PlannedCharge) -> OnFailure {
    if planned.charge.quota.is_unlimited() {
        return OnFailure::Allow;
    }
    policy.buckets.get(planned.bucket).map_or(OnFailure::Deny, |bucket| bucket.on_failure)
}

/// Converts a charge for the workers' shared table.
fn claim(policy: &Policy, asked: &Asked, planned: &PlannedCharge) -> Claim {
    let passes = on_failure(policy, planned) == OnFailure::Local(WhenFull::Allow);
    Claim {
        charge: local_charge(planned),
        origin: asked.origin,
        // A shadow that cannot be counted must not refuse the request.
        is_optional: passes || !planned.charge.enforce,
    }
}

/// Returns a charge as the workers' shared table counts it.
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
