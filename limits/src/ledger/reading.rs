//! What any counter says when it is read: the three algorithms answer in these terms.

use crate::bounded::MAX_SAFE;

/// `retry_after_ms` of a charge that can never fit.
pub const NEVER: u64 = MAX_SAFE;

/// A counter at one time, before anything is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// The largest cost that fits.
    pub(super) left: u64,
    /// How long until more is left; 0 if nothing counts.
    pub(super) reset_ms: u64,
}
