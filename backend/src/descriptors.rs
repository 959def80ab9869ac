//! File descriptors: raises the limit as far as needed, and reserves some for internal use.
//!
//! Called by `main` before anything is opened.

use anyhow::{Context, ensure};
use rlimit::increase_nofile_limit;

/// Descriptors reserved for the database, Redis, Claude, the shim and threads.
const RESERVED: usize = 512;
/// The fewest connections worth starting for.
const FEWEST: usize = 64;

/// Raises the soft limit for `wanted` connections plus the reserve, as far as the hard limit
/// allows. Returns the number of connections to accept. At a low limit, at least half is reserved.
///
/// # Errors
/// Fails if the limit cannot be raised, or is too low to serve at all.
pub fn share(wanted: usize) -> anyhow::Result<usize> {
    let needed = u64::try_from(wanted.saturating_add(RESERVED)).unwrap_or(u64::MAX);
    let limit =
        increase_nofile_limit(needed).context("cannot raise the limit on file descriptors")?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let least = 2 * FEWEST;
    ensure!(
        limit >= least,
        "expected at least {least} file descriptors, found a limit of {limit}; raise it (ulimit -n)"
    );
    Ok(wanted.min(limit - RESERVED.min(limit / 2)))
}
