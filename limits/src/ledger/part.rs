//! One counter's part of a settle: if and how it takes effect.

use super::request::SettleCharge;
use super::state::{Counter, Rules};
use crate::quota::WindowMs;
use crate::wire::SettleAmount;

/// The time after its decision within which a settle can take effect, in ms. Its mark is kept as
/// long.
pub const SETTLE_WITHIN_MS: u64 = 3_600_000;

/// One counter's part of a settle, before it is applied.
pub(super) struct Part<'a> {
    pub(super) charge: &'a SettleCharge,
    pub(super) rules: Rules,
    /// The time of the decision.
    decision_ms: u64,
    /// The lease's length, by which the charge is dated later than the decision, or 0.
    lease_ms: u64,
    /// The time until which the part can take effect; `None` if it no longer can.
    pub(super) until_ms: Option<u64>,
    /// True if the counter will be written. Nothing can be given back to a missing counter.
    pub(super) writes: bool,
}

impl<'a> Part<'a> {
    /// Prepares the part `charge` of a settle for the decision made at `decision_ms`.
    pub(super) fn new(
        stored: Option<&Counter>,
        rules: Rules,
        now_ms: u64,
        decision_ms: u64,
        charge: &'a SettleCharge,
    ) -> Self {
        let lease_ms = charge.lease_ms.map_or(0, WindowMs::get).min(rules.dated_ahead_ms());
        let mut part = Self { charge, rules, decision_ms, lease_ms, until_ms: None, writes: false };
        part.until_ms = match stored {
            Some(counter) => part.until_ms(counter, now_ms),
            None => part.until_ms(&Counter::empty(&rules), now_ms),
        };
        let changes = stored.is_some() || matches!(charge.amount, SettleAmount::Charge(_));
        part.writes = changes && part.until_ms.is_some();
        part
    }

    /// Applies the part to the counter.
    pub(super) fn apply(&self, counter: &mut Counter, now_ms: u64) {
        match self.charge.amount {
            SettleAmount::GiveBack(amount) => {
                counter.give_back(now_ms, amount.get(), self.dated_ms(), &self.rules);
            }
            SettleAmount::Charge(amount) => counter.charge(now_ms, amount.get(), &self.rules),
        }
    }

    /// Returns the charge's date: the time of its decision, or the end of its lease.
    fn dated_ms(&self) -> u64 {
        self.decision_ms + self.lease_ms
    }

    /// Returns the time until which the part can take effect; `None` if it no longer can.
    ///
    /// For a given settle, this time never gets later, whatever happens to the counter or its
    /// limit. The mark is kept until then, so the settle cannot be applied twice.
    fn until_ms(&self, counter: &Counter, now_ms: u64) -> Option<u64> {
        let within_ms = self.dated_ms() + SETTLE_WITHIN_MS;
        let until_ms = match self.charge.amount {
            SettleAmount::Charge(_) => within_ms,
            SettleAmount::GiveBack(amount) => {
                let dated_ms = self.dated_ms();
                counter.counts_until_ms(dated_ms, amount.get(), &self.rules)?.min(within_ms)
            }
        };
        let seen = self.decision_ms <= counter.latest_ms(now_ms, &self.rules);
        (seen && counter.at_ms(now_ms) < until_ms).then_some(until_ms)
    }
}
