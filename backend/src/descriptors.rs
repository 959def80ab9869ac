//! File descriptors: as many as are needed, if the system allows, and some that no client gets.
//!
//! Called by `main` before anything is opened.

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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
    let limit = raise(needed).context("cannot raise the limit on file descriptors")?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let least = 2 * FEWEST;
    ensure!(
        limit >= least,
        "expected at least {least} file descriptors, found a limit of {limit}; raise it (ulimit -n)"
    );
    Ok(wanted.min(limit - RESERVED.min(limit / 2)))
}

/// Raises the soft limit to `needed` where it is lower, at most to the hard limit. Returns the limit
/// in force.
fn raise(needed: u64) -> rustix::io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current.unwrap_or(u64::MAX);
    if current >= needed {
        return Ok(current);
    }
    let raised = maximum.map_or(needed, |maximum| maximum.min(needed)).max(current);
    setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum })?;
    Ok(raised)
}
