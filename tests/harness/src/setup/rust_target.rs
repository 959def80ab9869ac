//! Targets of the Rust compiler, which rustup can add.

use super::debian;
use crate::{command, env, progress};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LOOK_UP_LIMIT: Duration = Duration::from_secs(30);
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Returns true if `rustc` has the standard library of `target`.
#[must_use]
pub fn has(rustc: &Path, target: &str) -> bool {
    let mut ask = Command::new(rustc);
    ask.args(["--print", "target-libdir", "--target", target]);
    command::output(&mut ask, LOOK_UP_LIMIT)
        .is_ok_and(|folder| standard_library(Path::new(folder.trim())).is_some())
}

/// Returns the `libstd-*.rlib` in `folder`.
#[must_use]
pub fn standard_library(folder: &Path) -> Option<PathBuf> {
    debian::list(folder).ok()?.into_iter().find(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

/// Adds `target` to the compiler that cargo uses.
///
/// # Errors
/// Fails if rustup is missing or fails, or if cargo uses another toolchain.
pub fn add(target: &str) -> Result<()> {
    if env::on_path("rustup").is_none() {
        bail!("rustup is not on the PATH");
    }
    progress::say(format_args!("adding {target} with rustup"));
    command::output(Command::new("rustup").args(["target", "add", target]), RUSTUP_LIMIT)?;
    if !has(Path::new(&env::rustc()), target) {
        bail!("rustup has added the target to a toolchain that is not in use");
    }
    Ok(())
}
