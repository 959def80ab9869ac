//! A chore of several steps, run in order until one fails, each with its time.
//!
//! Called by [`crate::test`] and [`crate::check`].

use crate::cargo::cargo;
use crate::fuzz;
use anyhow::{Context, Result};
use harness::clock::Stopwatch;

/// A step's name, and the function that does it.
pub(crate) type Step<'a> = (&'static str, Box<dyn Fn() -> Result<()> + 'a>);

/// Runs `steps` in order.
///
/// # Errors
/// Fails with the first step that fails; its output is above.
pub(crate) fn run(steps: &[Step<'_>]) -> Result<()> {
    let total = Stopwatch::start();
    for (index, (name, step)) in steps.iter().enumerate() {
        println!("== {}/{} {name}", index + 1, steps.len());
        let watch = Stopwatch::start();
        step().with_context(|| format!("{name} failed after {}", seconds(watch)))?;
        println!("== {name}: {}", seconds(watch));
    }
    println!("== everything passed: {}", seconds(total));
    Ok(())
}

fn seconds(watch: Stopwatch) -> String {
    format!("{:.1} s", watch.elapsed().as_secs_f64())
}

/// Checks the formatting of both workspaces: the fuzz targets have their own.
pub(crate) fn formatting() -> Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["fmt", "--manifest-path", fuzz::MANIFEST, "--check"], &[])
}

/// Runs clippy on everything.
pub(crate) fn lints() -> Result<()> {
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])
}
