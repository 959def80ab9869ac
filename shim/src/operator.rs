//! `tollgate counters` and `tollgate overrides`: from what a person knows to the admin API.
//!
//! Called by [`crate::run`]; talks to [`crate::admin`] through [`crate::client`].

use crate::cli::{Counters, OverridesCommand};

/// Runs `tollgate counters …`; what to print.
pub(crate) async fn counters(_command: Counters) -> anyhow::Result<String> {
    anyhow::bail!("not yet")
}

/// Runs `tollgate overrides …`; what to print.
pub(crate) async fn overrides(_command: OverridesCommand) -> anyhow::Result<String> {
    anyhow::bail!("not yet")
}
