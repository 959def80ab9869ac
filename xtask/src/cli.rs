//! The command line of `cargo xtask`. The modules named after the chores run them.

use crate::{bench, build, check, docs, down, print_config, simulate, test, up};
use anyhow::Result;
use clap::{Parser, Subcommand};
use harness::setup;

/// The repository's own chores
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Cli {
    /// The chore to do.
    #[command(subcommand)]
    pub chore: Chore,
}

/// A chore.
#[derive(Debug, Subcommand)]
pub enum Chore {
    /// Fetch the tools that this machine lacks; prints nothing if it has all
    Setup(setup::Setup),
    /// Build the filter, the shim, the backend and claude-sim
    Build(build::Build),
    /// Build everything and run the stack on loopback
    Up(up::Up),
    /// Stop a running stack
    Down(down::Down),
    /// Check formatting and lints, and run the unit tests that need no server: the inner loop
    Check,
    /// Check formatting, lints and docs, build everything, and run all tests
    Test(test::Test),
    /// Run the filter in simulated Envoys with a failing network, and check its guarantees
    Simulate(simulate::Simulate),
    /// Generate the reference tables of the book from the code
    Docs(docs::Docs),
    /// Measure
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Write Envoy's configuration (envoy/envoy.yaml, envoy/tollgate.yaml) for other addresses, as JSON
    EnvoyConfig(print_config::PrintConfig),
}

impl Cli {
    /// Parses `args`, the words after `cargo xtask`.
    ///
    /// # Errors
    /// Fails if they are not a valid command. The error lists the valid ones.
    pub fn of(args: &[String]) -> Result<Self> {
        let words = std::iter::once("xtask").chain(args.iter().map(String::as_str));
        Ok(Self::try_parse_from(words)?)
    }
}

/// Runs a chore.
///
/// # Errors
/// Fails if the chore does. The error says what to do.
pub fn run(cli: &Cli) -> Result<()> {
    match &cli.chore {
        Chore::Setup(flags) => setup::run(flags),
        Chore::Build(flags) => build::run(flags),
        Chore::Up(flags) => up::run(flags),
        Chore::Down(flags) => down::run(flags),
        Chore::Check => check::run(),
        Chore::Docs(flags) => docs::run(flags),
        Chore::Test(flags) => test::run(flags),
        Chore::Simulate(flags) => simulate::run(flags),
        Chore::Bench(bench) => bench::run(bench),
        Chore::EnvoyConfig(flags) => print_config::run(flags),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_flag_is_refused_with_the_expected_form() {
        let check = |args: &[&str], expected: &str| {
            let error = Cli::try_parse_from(std::iter::once(&"xtask").chain(args)).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(expected), "{args:?}: {text}");
        };
        check(
            &["up", "--workers", "0"],
            "invalid value '0' for '--workers <N>': 0 is not in 1..=256",
        );
        check(&["up", "--gateway-port", "70000"], "70000 is not in 0..=65535");
        check(&["up", "--gateway", "1"], "unexpected argument '--gateway' found");
        check(&["setup", "docker"], "invalid value 'docker'");
        check(&["bench", "gateway", "--rounds", "0"], "0 is not in 1..=100");
        check(&["bench", "gateway", "--only", "cold-key"], "invalid value 'cold-key'");
        check(&["fly"], "unrecognized subcommand 'fly'");
    }
}
