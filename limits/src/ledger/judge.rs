//! Judges one charge by itself, and makes it if its request is admitted.

use super::reading::NEVER;
use super::repeated::Repeated;
use super::request::Charge;
use super::state::{Counter, Rules};
use crate::block::Block;
use crate::wire::{ChargeOutcome, LeaseGrant};

/// Returns the outcome of `charge` by itself, before anything is charged.
pub(super) fn judge(
    counter: &Counter,
    now_ms: u64,
    charge: &Charge,
    rules: &Rules,
) -> ChargeOutcome {
    let (cost, limit) = (charge.cost.get(), counter.limit(rules));
    let reading = counter.read(now_ms, rules);
    let mut outcome = ChargeOutcome {
        admitted: cost <= reading.left,
        limit,
        remaining: reading.left,
        reset_ms: reading.reset_ms,
        retry_after_ms: 0,
        lease: None,
        blocked: false,
    };
    if cost > limit {
        outcome.retry_after_ms = NEVER;
    } else if !outcome.admitted {
        outcome.retry_after_ms = counter.wait_ms(now_ms, cost, rules);
    }
    if let Some(until_ms) = rules.blocked_until_ms(now_ms) {
        outcome = refused_until(until_ms, now_ms, outcome);
    }
    outcome
}

/// Judges `charge` as [`judge`] does, then by the block for repeated refusals. `counts`: false to
/// leave its refusals as they are. Returns true if they changed.
pub(super) fn judge_repeated(
    now_ms: u64,
    block: &Block,
    repeated: &mut Repeated,
    counts: bool,
    rules: &Rules,
    judge: impl FnOnce() -> ChargeOutcome,
) -> (ChargeOutcome, bool) {
    let note = |repeated: &mut Repeated, count, ago_ms| {
        counts && repeated.note(now_ms, count, ago_ms, block)
    };
    let by_operator = rules.blocked_until_ms(now_ms).is_some();
    let reported = block.refused.map(|refused| (refused.count.get(), refused.ago_ms.get()));
    let is_counted = |made_ms| rules.blocked_until_ms(made_ms).is_none();
    let reported = reported.filter(|(_, ago_ms)| is_counted(now_ms.saturating_sub(*ago_ms)));
    let mut changed = reported.is_some_and(|(count, ago_ms)| note(repeated, count, ago_ms));
    let outcome = judge();
    let is_refused = !outcome.admitted && outcome.retry_after_ms < NEVER;
    if is_refused && !by_operator {
        changed |= note(repeated, 1, 0);
    }
    let Some(until_ms) = repeated.until_ms(now_ms) else { return (outcome, changed) };
    let until_ms = until_ms.max(rules.blocked_until_ms(now_ms).unwrap_or(0));
    (ChargeOutcome { blocked: true, ..refused_until(until_ms, now_ms, outcome) }, changed)
}

/// Returns the outcome of a charge that is refused until `until_ms`, whatever is left.
fn refused_until(until_ms: u64, now_ms: u64, outcome: ChargeOutcome) -> ChargeOutcome {
    let blocked_ms = until_ms - now_ms;
    ChargeOutcome {
        admitted: false,
        remaining: 0,
        reset_ms: blocked_ms,
        retry_after_ms: outcome.retry_after_ms.max(blocked_ms),
        ..outcome
    }
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
