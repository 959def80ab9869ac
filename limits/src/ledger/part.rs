//! One counter's part of a settle: whether it still takes effect, and how.

use super::request::SettleCharge;
use super::state::{Counter, Kind, Rules};
use crate::quota::WindowMs;
use crate::wire::SettleAmount;

/// How long after its decision a settle takes effect at most, and so how long its mark stays.
pub const SETTLE_WITHIN_MS: u64 = 3_600_000;

/// One counter's part, before it is applied.
pub(super) struct Part<'a> {
    pub(super) charge: &'a SettleCharge,
    pub(super) rules: Rules,
    /// Until when it takes effect, if it still does.
    pub(super) until_ms: Option<u64>,
    /// Whether the counter will be written: where nothing is stored, nothing can be given back.
    pub(super) writes: bool,
}

impl<'a> Part<'a> {
    /// The part `charge` of a settle of the decision made at `decision_ms`.
    pub(super) fn new(
        stored: Option<&Counter>,
        rules: Rules,
        now_ms: u64,
        decision_ms: u64,
        charge: &'a SettleCharge,
    ) -> Self {
        let until = |counter: &Counter| until_ms(counter, now_ms, decision_ms, charge, &rules);
        let until_ms = stored.map_or_else(|| until(&Counter::empty(&rules)), until);
        let changes = stored.is_some() || matches!(charge.amount, SettleAmount::Charge(_));
        Self { charge, rules, until_ms, writes: changes && until_ms.is_some() }
    }

    /// Gives back, or charges.
    pub(super) fn apply(&self, counter: &mut Counter, now_ms: u64, decision_ms: u64) {
        match self.charge.amount {
            SettleAmount::GiveBack(amount) => {
                counter.give_back(now_ms, amount.get(), decision_ms, &self.rules);
            }
            SettleAmount::Charge(amount) => counter.charge(now_ms, amount.get(), &self.rules),
        }
    }
}

/// Until when the part takes effect, if it still does.
///
/// For one and the same settle it never gets later, whatever happens to the counter and its limit
/// in between: the mark, which stays that long, keeps the settle from being applied again.
fn until_ms(
    counter: &Counter,
    now_ms: u64,
    decision_ms: u64,
    charge: &SettleCharge,
    rules: &Rules,
) -> Option<u64> {
    let lease_ms = match rules.kind {
        Kind::Sliding(window) => charge.lease_ms.map_or(0, WindowMs::get).min(window.window_ms),
        Kind::Fixed(_) | Kind::Token(_) => 0,
    };
    let within_ms = decision_ms + lease_ms + SETTLE_WITHIN_MS;
    let until_ms = match charge.amount {
        SettleAmount::Charge(_) => within_ms,
        SettleAmount::GiveBack(amount) => {
            counter.counts_until_ms(decision_ms, lease_ms, amount.get(), rules)?.min(within_ms)
        }
    };
    let seen = decision_ms <= counter.latest_ms(now_ms, rules);
    (seen && counter.at_ms(now_ms) < until_ms).then_some(until_ms)
}
