//! Builds the programs that run natively: the shim, the backend and claude-sim.

use crate::{command, paths};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

const BUILD_LIMIT: Duration = Duration::from_secs(3600);

/// Where the built programs are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// `tollgate`, the shim.
    pub shim: PathBuf,
    /// `tollgate-backend`.
    pub backend: PathBuf,
    /// `claude-sim`.
    pub claude_sim: PathBuf,
}

/// Builds them; cargo tells only what is wrong.
///
/// # Errors
/// Where one does not compile.
pub fn build() -> Result<Binaries> {
    build_with(&["--quiet"])
}

/// Builds them, optimized if `release`; cargo tells its progress.
///
/// # Errors
/// As [`build`].
pub fn build_shown(release: bool) -> Result<Binaries> {
    build_with(if release { &["--release"] } else { &[] })
}

/// Builds the shim alone, optimized; cargo tells its progress.
///
/// # Errors
/// As [`build`].
pub fn build_release_shim() -> Result<PathBuf> {
    find(&cargo(&["--package", "tollgate-shim", "--release"])?, "tollgate")
}

fn build_with(flags: &[&str]) -> Result<Binaries> {
    let packages = [
        "--package",
        "tollgate-shim",
        "--package",
        "tollgate-backend",
        "--package",
        "tollgate-claude-sim",
    ];
    let messages = cargo(&[&packages, flags].concat())?;
    Ok(Binaries {
        shim: find(&messages, "tollgate")?,
        backend: find(&messages, "tollgate-backend")?,
        claude_sim: find(&messages, "claude-sim")?,
    })
}

/// Has cargo build programs and returns its messages.
fn cargo(args: &[&str]) -> Result<String> {
    let mut cargo = command::cargo();
    // Progress and errors for people on stderr; what was built, as JSON, on stdout.
    cargo.args(["build", "--bins", "--message-format=json-render-diagnostics"]).args(args);
    command::show_and_capture(cargo.current_dir(paths::root()), BUILD_LIMIT)
}

fn find(messages: &str, name: &str) -> Result<PathBuf> {
    executable(messages, name).with_context(|| format!("cargo built no program called {name}"))
}

/// The part of cargo's messages that matters here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.target.as_ref().is_some_and(|target| target.name == name))
        .find_map(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"tollgate"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"tollgate"},"executable":"/x/tollgate"}"#,
            "\nnot JSON\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages, "tollgate"), Some("/x/tollgate".into()));
        assert_eq!(executable(messages, "tollgate-backend"), None);
    }
}
