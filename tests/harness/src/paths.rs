//! Where things are: in the repository, and in the user's cache folder.

use crate::env;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The repository's root.
#[must_use]
pub fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest)
}

/// Where a running stack keeps its logs, its database and its state.
#[must_use]
pub fn state_dir() -> PathBuf {
    root().join("target/tollgate")
}

/// The user's folder for what `cargo xtask setup` fetches and builds: `$TOLLGATE_CACHE_DIR`, else
/// `$XDG_CACHE_HOME/tollgate`, else `$HOME/.cache/tollgate`. Created if it is not there.
///
/// # Errors
/// Where none of the three variables is set, or the folder cannot be created.
pub fn cache_dir() -> Result<PathBuf> {
    let dir = env::path(env::CACHE_DIR)
        .or_else(|| Some(env::path("XDG_CACHE_HOME")?.join("tollgate")))
        .or_else(|| Some(env::path("HOME")?.join(".cache/tollgate")))
        .context("no cache folder: set TOLLGATE_CACHE_DIR, XDG_CACHE_HOME or HOME")?;
    std::fs::create_dir_all(&dir).with_context(|| {
        format!(
            "cannot create the cache folder {}: set TOLLGATE_CACHE_DIR to another",
            dir.display()
        )
    })?;
    dir.canonicalize().with_context(|| format!("cannot find the cache folder {}", dir.display()))
}
