//! `cargo xtask test`: everything that must hold, cheapest first, until the first failure.
//!
//! Called by the binary, and by `.ci/run`, which does nothing else.

use crate::clock::Stopwatch;
use crate::{binaries, command, env, paths, setup, wasm};
use anyhow::{Context, Result};
use clap::Args;
use std::process::Command;
use std::time::Duration;

const STEP_LIMIT: Duration = Duration::from_secs(5400);

/// The flags of `cargo xtask test`.
#[derive(Debug, Clone, Args)]
pub struct Test {
    /// Given to `cargo test`: `cargo xtask test -- --package limits`
    #[arg(last = true, value_name = "ARGS")]
    pub cargo_test_args: Vec<String>,
}

/// What one step does.
type Step<'a> = (&'static str, Box<dyn Fn() -> Result<()> + 'a>);

/// Runs all steps.
///
/// # Errors
/// The first step that fails; what it had to say stands above.
pub fn run(test: &Test) -> Result<()> {
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
        ("formatting", Box::new(|| cargo(&["fmt", "--all", "--check"], &[]))),
        ("setup", Box::new(setup::all_for_tests)),
        ("lints", Box::new(|| cargo(&LINTS, &[]))),
        ("docs", Box::new(|| cargo(&DOCS, &[("RUSTDOCFLAGS", "-D warnings")]))),
        ("the filter", Box::new(|| wasm::build_shown().map(drop))),
        ("the shim and the backend", Box::new(|| binaries::build_shown().map(drop))),
        ("tests", Box::new(|| tests(&test.cargo_test_args))),
    ]
}

const LINTS: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
const DOCS: [&str; 3] = ["doc", "--workspace", "--no-deps"];

fn tests(args: &[String]) -> Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    cargo(&[&["test", "--workspace"], args.as_slice()].concat(), &[])
}

fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let mut cargo = Command::new(env::cargo());
    cargo.args(args).envs(env.iter().copied()).current_dir(paths::root());
    command::show(&mut cargo, STEP_LIMIT)
}

fn seconds(watch: Stopwatch) -> String {
    format!("{:.1} s", watch.elapsed().as_secs_f64())
}
