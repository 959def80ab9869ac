//! `cargo xtask check`: the inner loop. Needs no server, no Envoy and no `.wasm`.
//!
//! Called by the binary.

use crate::cargo::cargo;
use crate::{cycles, steps};
use anyhow::Result;

/// The crates whose unit tests need no server and take seconds.
const PURE: [&str; 8] = [
    "test",
    "--quiet",
    "--lib",
    "--package=tollgate-limits",
    "--package=tollgate-ledger",
    "--package=tollgate-resume",
    "--package=xtask",
    "--package=tollgate-docs",
];

/// Checks formatting, module cycles and lints, and runs the unit tests that need no server.
///
/// # Errors
/// Fails with the first step that fails.
pub(crate) fn run() -> Result<()> {
    steps::run(&[
        ("formatting", Box::new(steps::formatting)),
        ("module cycles", Box::new(cycles::run)),
        ("lints", Box::new(steps::lints)),
        ("unit tests", Box::new(|| cargo(&PURE, &[]))),
    ])
}
