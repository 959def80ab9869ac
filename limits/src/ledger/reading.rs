//! The result of reading a counter, common to all three algorithms.

use crate::bounded::MAX_SAFE;

/// The `retry_after_ms` of a charge that can never fit.
pub const NEVER: u64 = MAX_SAFE;

/// A counter's state at one time, before anything is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// The largest cost that fits.
    pub(super) left: u64,
    /// The time until more is left; 0 if nothing counts.
    pub(super) reset_ms: u64,
}
