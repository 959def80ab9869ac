//! cargo-deny, built from crates.io: it is not packaged anywhere that a fresh machine can reach
//! without root.

use super::cache;
use crate::{command, progress};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;

/// The version that `deny.toml` is written for.
const VERSION: &str = "0.20.2";
/// The timeout of building it.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// Returns the program, building it if the cache folder lacks it.
///
/// # Errors
/// Fails if crates.io cannot be reached or the build fails.
pub fn cargo_deny() -> Result<PathBuf> {
    let dir = cache::entry(&format!("cargo-deny-{VERSION}"), |place| {
        progress::say("building cargo-deny (a few minutes)");
        let target = tempfile::tempdir().context("cannot create a temporary folder")?;
        let mut cargo = command::cargo();
        // Unoptimized: it runs for a second, and takes three times as long to optimize.
        cargo.args(["install", "--quiet", "--locked", "--debug", "--version", VERSION]);
        cargo.arg("--root").arg(place).arg("--target-dir").arg(target.path()).arg("cargo-deny");
        command::output(&mut cargo, BUILD_LIMIT).map(drop)
    });
    Ok(dir.context("cannot build cargo-deny")?.join("bin/cargo-deny"))
}
