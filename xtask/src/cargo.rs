//! Runs cargo in the repository. Called by [`crate::test`] and [`crate::fuzz`].

use anyhow::Result;
use harness::{command, paths};
use std::time::Duration;

/// The timeout of one step of `cargo xtask test`.
pub(crate) const STEP_LIMIT: Duration = Duration::from_secs(5400);

/// Runs cargo with `args` and the variables `env`, and shows its output.
pub(crate) fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(args).envs(env.iter().copied()).current_dir(paths::root());
    command::show(&mut cargo, STEP_LIMIT)
}
