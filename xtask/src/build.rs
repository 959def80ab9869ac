//! `cargo xtask build`: the filter, the shim, the backend and claude-sim, without starting them.
//!
//! Called by the binary, which the container images are built with.

use anyhow::Result;
use clap::Args;
use harness::{binaries, wasm};

/// The flags of `cargo xtask build`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Build {
    /// Optimize the programs too (the filter is always optimized)
    #[arg(long)]
    pub release: bool,
}

/// Builds all four and prints their paths.
///
/// # Errors
/// Fails with the first one that cannot be built.
pub(crate) fn run(build: &Build) -> Result<()> {
    println!("{}", wasm::build_shown()?.display());
    let binaries = binaries::build_shown(build.release)?;
    for program in [binaries.shim, binaries.backend, binaries.claude_sim] {
        println!("{}", program.display());
    }
    Ok(())
}
