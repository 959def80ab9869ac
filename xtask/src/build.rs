//! `cargo xtask build`: the filter, the shim, the backend and claude-sim, without starting them; or the
//! dynamic module.
//!
//! Called by the binary, which the container images are built with.

use crate::module_linking::{self, GLIBC};
use anyhow::Result;
use clap::Args;
use harness::{binaries, wasm};

/// The flags of `cargo xtask build`.
#[derive(Debug, Clone, Args)]
pub struct Build {
    /// Optimize the programs too (the filter is always optimized)
    #[arg(long)]
    pub release: bool,
    /// Build the dynamic module instead, and check that it loads in Envoy's images
    #[arg(long)]
    pub module: bool,
    /// Build the dynamic module for another platform, optimized
    #[arg(long, value_name = "TARGET", requires = "module", value_parser = [binaries::ARM64])]
    pub target: Option<String>,
}

/// Builds all four, or the module, and prints their paths.
///
/// # Errors
/// Fails with the first one that cannot be built.
pub(crate) fn run(build: &Build) -> Result<()> {
    if build.module {
        return module(build);
    }
    println!("{}", wasm::build_shown()?.display());
    let binaries = binaries::build_shown(build.release)?;
    for program in [binaries.shim, binaries.backend, binaries.claude_sim] {
        println!("{}", program.display());
    }
    Ok(())
}

fn module(build: &Build) -> Result<()> {
    let file = match &build.target {
        Some(target) => binaries::build_module_for(target, &GLIBC.to_string())?,
        None => binaries::build_module_shown(build.release)?,
    };
    println!("{}", file.display());
    module_linking::check(&file)
}
