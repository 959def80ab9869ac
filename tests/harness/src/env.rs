//! The only file in this crate that reads the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable with the path of an Envoy to use.
pub const ENVOY: &str = "TOLLGATE_ENVOY";
/// The variable with the path of a Redis-compatible server to use.
pub const REDIS: &str = "TOLLGATE_REDIS";
/// The variable with the folder of PostgreSQL's programs.
pub const POSTGRES: &str = "TOLLGATE_POSTGRES";
/// The variable with the cache folder of `cargo xtask setup`.
pub const CACHE_DIR: &str = "TOLLGATE_CACHE_DIR";

/// Returns the value of `variable`, or `None` if it is unset or empty.
#[must_use]
pub fn path(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns the text of `variable`, with U+FFFD in place of invalid UTF-8, or `None` if it is unset.
#[must_use]
pub fn text(variable: &str) -> Option<String> {
    std::env::var_os(variable).map(|value| value.to_string_lossy().into_owned())
}

/// Returns the first executable named `name` on the PATH.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// Returns the cargo that runs this process, or the one on the PATH.
#[must_use]
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Returns the rustc that cargo uses.
#[must_use]
pub fn rustc() -> OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// Returns true if `file` is an executable file.
#[must_use]
pub fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
