//! A top-up of a balance, and its outcome.

use super::request::SettleId;
use crate::counter::CounterName;
use crate::quota::TopUpAmount;

/// The time for which a top-up's id is remembered, in ms: 90 days. A repetition within it adds
/// nothing.
pub const TOP_UP_REMEMBERED_MS: u64 = 90 * 86_400_000;

/// An amount to add to a balance, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopUp {
    /// The counter.
    pub counter: CounterName,
    /// The amount.
    pub amount: TopUpAmount,
    /// The id that makes the top-up idempotent, for example that of a payment.
    pub id: SettleId,
}

/// The outcome of a top-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToppedUp {
    /// The effect.
    pub effect: TopUpEffect,
    /// All that the balance was ever topped up by.
    pub added: u64,
}

/// The effect of a top-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopUpEffect {
    /// The amount was added.
    Added,
    /// Nothing was added: the id was used before, for this amount.
    Repeated(u64),
    /// Nothing was added: all top-ups together may add at most 2^52.
    TooMuch,
}

impl TopUp {
    /// Returns the name of the mark that makes this top-up idempotent:
    /// `tg:{<digits>}:+<bucket>.<id>`. It cannot collide with a counter's, because bucket names
    /// begin with a letter, nor with a settle's, which begins with a dot.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("tg:{{{}}}:+{}.{}", self.counter.slot_tag(), self.counter.bucket(), self.id)
    }
}
