//! Raises the limit on file descriptors and divides it between the ports.
//!
//! Called by [`crate::serve`] before anything is opened.

use anyhow::{Context, ensure};
use rlimit::increase_nofile_limit;

/// Descriptors never given to clients: for the listening sockets, the runtime, and connections to
/// the ledger's servers, which must always be able to reconnect.
const RESERVED: u64 = 96;
/// The fewest connections per port with which the shim starts.
const FEWEST: u64 = 16;

/// Raises the soft limit to what `wanted` and `others` connections and the reserve need, or as far
/// as the hard limit allows. Returns the number of connections allowed for each. If the limit is too
/// low for all, `others` gets at most a quarter of them and `wanted` the rest.
///
/// # Errors
/// Fails if the limit is too low to serve at all, or cannot be raised. The message is one sentence.
pub(crate) fn share([wanted, others]: [usize; 2]) -> anyhow::Result<[usize; 2]> {
    let all = wanted.saturating_add(others);
    let needed = RESERVED.saturating_add(u64::try_from(all).unwrap_or(u64::MAX));
    let limit =
        increase_nofile_limit(needed).context("cannot raise the limit on file descriptors")?;
    let least = RESERVED + 2 * FEWEST;
    ensure!(
        limit >= least,
        "expected at least {least} file descriptors, found a limit of {limit}; raise it (ulimit -n)"
    );
    let left = usize::try_from(limit - RESERVED).unwrap_or(usize::MAX).min(all);
    let others = others.min(left / 4).max(16);
    Ok([wanted.min(left - others), others])
}
