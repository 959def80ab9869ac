//! A prepaid balance.

use crate::bounded::Bounded;
use serde::{Deserialize, Serialize};

/// The most that everyone can start with, and the most that can be topped up in all: 2^52 each, so
/// that their sum can still be counted exactly.
pub const MAX_BALANCE: u64 = 1 << 52;

/// The amount of a balance before anything is topped up or charged, 0..=2^52.
pub type Start = Bounded<0, MAX_BALANCE>;
/// An amount to add to a balance, 1..=2^52.
pub type TopUpAmount = Bounded<1, MAX_BALANCE>;

/// Parameters of [`Quota::Balance`](super::Quota::Balance).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// The amount that everyone starts with.
    pub start: Start,
}
