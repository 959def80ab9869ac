//! Paths in the repository and in the user's cache folder.

use crate::env;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Returns the repository's root.
#[must_use]
pub fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest)
}

/// Returns the folder with the logs, database and state of a running stack.
#[must_use]
pub fn state_dir() -> PathBuf {
    root().join("target/tollgate")
}

/// Returns the cache folder of `cargo xtask setup`, and creates it if it does not exist.
///
/// It is `$TOLLGATE_CACHE_DIR`, or else `$XDG_CACHE_HOME/tollgate`, or else `$HOME/.cache/tollgate`.
///
/// # Errors
/// Fails if none of the three variables is set, or the folder cannot be created.
pub fn cache_dir() -> Result<PathBuf> {
    let dir = env::path(env::CACHE_DIR)
        .or_else(|| Some(env::path("XDG_CACHE_HOME")?.join("tollgate")))
        .or_else(|| Some(env::path("HOME")?.join(".cache/tollgate")))
        .context("no cache folder: set TOLLGATE_CACHE_DIR, XDG_CACHE_HOME or HOME")?;
    std::fs::create_dir_all(&dir).with_context(|| {
        format!(
            "cannot create the cache folder {}: set TOLLGATE_CACHE_DIR to a different one",
            dir.display()
        )
    })?;
    dir.canonicalize().with_context(|| format!("cannot find the cache folder {}", dir.display()))
}
