//! `cargo xtask test`: runs all checks and tests, cheapest first, until the first failure.
//!
//! Called by the binary, which `.ci/run` runs.

use crate::cargo::{STEP_LIMIT, cargo};
use crate::steps::{self, Step};
use crate::{cycles, filter_size, fuzz, module_linking};
use anyhow::Result;
use clap::Args;
use harness::{binaries, command, paths, setup};
use std::process::Command;

/// The flags of `cargo xtask test`.
#[derive(Debug, Clone, Args)]
pub struct Test {
    /// Arguments for `cargo test`: `cargo xtask test -- --package tollgate-limits`
    #[arg(last = true, value_name = "ARGS")]
    pub cargo_test_args: Vec<String>,
}

/// Runs all steps.
///
/// # Errors
/// Fails with the first step that fails; its output is above.
pub(crate) fn run(test: &Test) -> Result<()> {
    steps::run(&steps(test))
}

fn steps(test: &Test) -> Vec<Step<'_>> {
    vec![
        ("formatting", Box::new(steps::formatting)),
        ("module cycles", Box::new(cycles::run)),
        ("setup", Box::new(setup::all_for_tests)),
        ("dependencies", Box::new(dependencies)),
        ("lints", Box::new(steps::lints)),
        ("docs", Box::new(|| cargo(&DOCS, &[("RUSTDOCFLAGS", "-D warnings")]))),
        ("the filter, and its size", Box::new(filter_size::run)),
        ("the programs", Box::new(|| binaries::build_shown(false).map(drop))),
        ("the fuzz targets", Box::new(fuzz::run)),
        ("tests", Box::new(|| tests(&test.cargo_test_args))),
        ("the dynamic module", Box::new(module)),
    ]
}

/// Checks licenses, sources and banned crates. Advisories need a database from the internet, which
/// CI may lack: `cargo deny check advisories` checks those.
fn dependencies() -> Result<()> {
    let mut deny = Command::new(setup::cargo_deny()?);
    deny.args(["--locked", "check", "--hide-inclusion-graph"]);
    deny.args(["bans", "licenses", "sources"]).current_dir(paths::root());
    command::show(&mut deny, STEP_LIMIT)
}

const DOCS: [&str; 3] = ["doc", "--workspace", "--no-deps"];

fn tests(args: &[String]) -> Result<()> {
    cargo(&test_args(args), &[])
}

/// Builds the dynamic module, checks what it needs, and runs the end-to-end tests and the minute of faults with it in place
/// of the Wasm filter. The tests in `wasm_only` are about what the module does not have.
fn module() -> Result<()> {
    module_linking::check(&binaries::build_module_shown(false)?)?;
    let both = ["test", "--workspace", "--test", "gateway", "--test", "chaos"];
    let rest = ["--", "--skip", "wasm_only"];
    cargo(&[both.as_slice(), rest.as_slice()].concat(), &[("TOLLGATE_FRONT", "module")])
}

/// Returns the arguments of `cargo`: all packages are tested unless `args` selects some.
fn test_args(args: &[String]) -> Vec<&str> {
    let own = args.iter().map(String::as_str).take_while(|arg| *arg != "--");
    let chosen = own.into_iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package"));
    let all = if chosen { None } else { Some("--workspace") };
    std::iter::once("test").chain(all).chain(args.iter().map(String::as_str)).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn all_packages_are_tested_unless_some_are_chosen() {
        let check = |args: &str, expected: &str| {
            let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
            assert_eq!(test_args(&args).join(" "), expected);
        };
        check("", "test --workspace");
        check("login -- --nocapture", "test --workspace login -- --nocapture");
        check("-- -p", "test --workspace -- -p");
        check("-p limits", "test -p limits");
        check("-plimits --lib", "test -plimits --lib");
        check("--package=limits", "test --package=limits");
    }
}
