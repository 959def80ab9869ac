//! File descriptors: as many as are needed, if the system allows, and some that no client gets.
//!
//! Called by [`crate::serve`] before anything is opened.

use anyhow::{Context, ensure};
use rlimit::increase_nofile_limit;

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
