//! Unique names, for decisions and for the shim's own settles.
//!
//! Called by [`crate::Ledger::decide`] and [`crate::store`].

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A random name for this process. The standard library seeds its hash tables randomly, which is
/// random enough to tell processes apart.
static PROCESS: LazyLock<String> =
    LazyLock::new(|| format!("{:016x}", RandomState::new().build_hasher().finish()));
static DECISIONS: AtomicU64 = AtomicU64::new(0);

/// Returns this process's name, which differs for each start.
pub(crate) fn process() -> &'static str {
    &PROCESS
}

/// Returns the unique part of the next decision's id.
pub(crate) fn decision() -> String {
    format!("{}-{:x}", process(), DECISIONS.fetch_add(1, Ordering::Relaxed))
}
