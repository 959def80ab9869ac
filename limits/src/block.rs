//! Blocks for repeated refusals: a key that a bucket refused too often is refused for longer.

use crate::bounded::Bounded;
use crate::quota::{MAX_WINDOW_MS, WindowMs};
use serde::{Deserialize, Serialize};

/// A number of refusals, 1 to 1,000,000.
pub type Refusals = Bounded<1, 1_000_000>;
/// An age, 0 ms to 366 days.
pub type AgeMs = Bounded<0, MAX_WINDOW_MS>;

/// A bucket's block: after `after` refusals within `within_ms`, everything is refused for `for_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The number of refusals that starts a block.
    pub after: Refusals,
    /// The time in which they must fall.
    pub within_ms: WindowMs,
    /// The length of the block, counted from the last of them.
    pub for_ms: WindowMs,
    /// The refusals that a gateway repeated from memory and has not reported yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// Refusals that were made without asking the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The number of refusals.
    pub count: Refusals,
    /// The age of the last one. All of them are dated by it.
    pub ago_ms: AgeMs,
}
