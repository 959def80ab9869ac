//! Names that occur once: of decisions, and of the settles that the shim makes itself.
//!
//! Called by [`crate::Ledger::decide`] and [`crate::store`].

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The standard library seeds its hash tables at random; that is all the chance needed to tell one
/// process from another.
static PROCESS: LazyLock<String> =
    LazyLock::new(|| format!("{:016x}", RandomState::new().build_hasher().finish()));
static DECISIONS: AtomicU64 = AtomicU64::new(0);

/// This process's name, another one for each start.
pub(crate) fn process() -> &'static str {
    &PROCESS
}

/// The unique part of the next decision's id.
pub(crate) fn decision() -> String {
    format!("{}-{:x}", process(), DECISIONS.fetch_add(1, Ordering::Relaxed))
}
