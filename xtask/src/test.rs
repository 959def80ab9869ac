//! `cargo xtask test`: runs all checks and tests, cheapest first, until the first failure.
//!
//! Called by the binary, which `.ci/run` runs.

use crate::cargo::cargo;
use crate::{cycles, fuzz};
use anyhow::{Context, Result};
use clap::Args;
use harness::clock::Stopwatch;
use harness::{binaries, setup, wasm};

/// The flags of `cargo xtask test`.
#[derive(Debug, Clone, Args)]
pub struct Test {
    /// Arguments for `cargo test`: `cargo xtask test -- --package tollgate-limits`
    #[arg(last = true, value_name = "ARGS")]
    pub cargo_test_args: Vec<String>,
}

/// What one step does.
type Step<'a> = (&'static str, Box<dyn Fn() -> Result<()> + 'a>);

/// Runs all steps.
///
/// # Errors
/// The first step that fails; what it had to say stands above.
pub(crate) fn run(test: &Test) -> Result<()> {
    let total = Stopwatch::start();
    let steps = steps(test);
    for (index, (name, step)) in steps.iter().enumerate() {
        println!("== {}/{} {name}", index + 1, steps.len());
        let watch = Stopwatch::start();
        step().with_context(|| format!("{name} failed after {}", seconds(watch)))?;
        println!("== {name}: {}", seconds(watch));
    }
    println!("== everything passed: {}", seconds(total));
    Ok(())
}

fn steps(test: &Test) -> Vec<Step<'_>> {
    vec![
        ("formatting", Box::new(formatting)),
        ("module cycles", Box::new(cycles::run)),
        ("setup", Box::new(setup::all_for_tests)),
        ("lints", Box::new(|| cargo(&LINTS, &[]))),
        ("docs", Box::new(|| cargo(&DOCS, &[("RUSTDOCFLAGS", "-D warnings")]))),
        ("the filter", Box::new(|| wasm::build_shown().map(drop))),
        ("the programs", Box::new(|| binaries::build_shown(false).map(drop))),
        ("the fuzz targets", Box::new(fuzz::run)),
        ("tests", Box::new(|| tests(&test.cargo_test_args))),
    ]
}

/// The fuzz targets are a workspace of their own.
fn formatting() -> Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["fmt", "--manifest-path", fuzz::MANIFEST, "--check"], &[])
}

const LINTS: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
const DOCS: [&str; 3] = ["doc", "--workspace", "--no-deps"];

fn tests(args: &[String]) -> Result<()> {
    cargo(&test_args(args), &[])
}

/// Returns the arguments of `cargo`: all packages are tested unless `args` selects some.
fn test_args(args: &[String]) -> Vec<&str> {
    let own = args.iter().map(String::as_str).take_while(|arg| *arg != "--");
    let chosen = own.into_iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package"));
    let all = if chosen { None } else { Some("--workspace") };
    std::iter::once("test").chain(all).chain(args.iter().map(String::as_str)).collect()
}

fn seconds(watch: Stopwatch) -> String {
    format!("{:.1} s", watch.elapsed().as_secs_f64())
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
