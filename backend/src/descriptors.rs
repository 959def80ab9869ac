//! File descriptors: as many as are needed, if the system allows, and some that no client gets.
//!
//! Called by `main` before anything is opened.

use anyhow::{Context, ensure};
use rlimit::increase_nofile_limit;

/// Descriptors that no client gets: the database's, Redis's, Claude's, the shim's, the threads'.
const RESERVED: usize = 512;
/// Fewer connections than this are not worth starting for.
const FEWEST: usize = 64;

/// Raises the soft limit to what `wanted` connections and the rest need, or as far as it goes. Returns
/// how many connections there may be; at least half of a low limit is not theirs.
///
/// # Errors
/// If the limit is too low to serve at all, or cannot be raised; the message is one sentence.
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
