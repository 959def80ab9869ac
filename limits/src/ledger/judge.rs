//! Judges one charge by itself, and makes it if its request is admitted.

use super::reading::NEVER;
use super::request::Charge;
use super::state::{Counter, Rules};
use super::terms::Standing;
use crate::wire::{ChargeOutcome, LeaseGrant};

/// Returns the outcome of `charge` by itself, before anything is charged.
pub(super) fn judge(
    counter: &Counter,
    now_ms: u64,
    charge: &Charge,
    rules: &Rules,
) -> ChargeOutcome {
    let (cost, limit) = (charge.cost.get(), rules.limit);
    let reading = counter.read(now_ms, rules);
    let mut outcome = ChargeOutcome {
        admitted: cost <= reading.left,
        limit,
        remaining: reading.left,
        reset_ms: reading.reset_ms,
        retry_after_ms: 0,
        lease: None,
    };
    if cost > limit {
        outcome.retry_after_ms = NEVER;
    } else if !outcome.admitted {
        outcome.retry_after_ms = counter.wait_ms(now_ms, cost, rules);
    }
    if let Standing::BlockedUntil(until_ms) = rules.standing
        && now_ms < until_ms.get()
    {
        let blocked_ms = until_ms.get() - now_ms;
        outcome.admitted = false;
        outcome.remaining = 0;
        outcome.reset_ms = blocked_ms;
        outcome.retry_after_ms = outcome.retry_after_ms.max(blocked_ms);
    }
    outcome
}

/// Makes `charge`, which fits, and grants its lease. Updates the outcome.
pub(super) fn charge(
    counter: &mut Counter,
    now_ms: u64,
    charge: &Charge,
    rules: &Rules,
    outcome: &mut ChargeOutcome,
) {
    let lease_terms = counter.lease_terms(now_ms, rules);
    counter.charge(now_ms, charge.cost.get(), rules);
    if let Some((ask, (longest_ms, sharers))) = charge.lease.zip(lease_terms) {
        let granted = ask.wish.get().min(counter.read(now_ms, rules).left / sharers);
        let lease_ms = ask.lease_ms.get().min(longest_ms);
        if granted > 0 {
            counter.charge_lease(now_ms, granted, lease_ms, rules);
            outcome.lease = Some(LeaseGrant { granted, lease_ms });
        }
    }
    let reading = counter.read(now_ms, rules);
    outcome.remaining = reading.left;
    outcome.reset_ms = reading.reset_ms;
}
