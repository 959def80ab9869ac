//! File descriptors: as many as are needed, if the system allows, and some that no client gets.
//!
//! Called by [`crate::serve`] before anything is opened.

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that no client gets: the ports', the runtime's, those of connections to the ledger's
/// servers, so that these can always be made anew.
const RESERVED: u64 = 96;
/// Fewer connections than this to each port are not worth starting for.
const FEWEST: u64 = 16;

/// Raises the soft limit to what `wanted` connections and the rest need, or as far as it goes. Returns
/// how many connections of each there may be: the first get less where it is not enough.
///
/// # Errors
/// If the limit is too low to serve at all, or cannot be raised; the message is one sentence.
pub(crate) fn share([wanted, others]: [usize; 2]) -> anyhow::Result<[usize; 2]> {
    let all = wanted.saturating_add(others);
    let needed = RESERVED.saturating_add(u64::try_from(all).unwrap_or(u64::MAX));
    let limit = raise(needed).context("cannot raise the limit on file descriptors")?;
    let least = RESERVED + 2 * FEWEST;
    ensure!(
        limit >= least,
        "expected at least {least} file descriptors, found a limit of {limit}; raise it (ulimit -n)"
    );
    let left = usize::try_from(limit - RESERVED).unwrap_or(usize::MAX).min(all);
    let others = others.min(left / 4).max(16);
    Ok([wanted.min(left - others), others])
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
