//! Builds the native programs: the shim, the backend and claude-sim, and the dynamic module.

use crate::setup::rust_target;
use crate::{command, env, paths, setup};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

const BUILD_LIMIT: Duration = Duration::from_secs(3600);

/// The paths of the built programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// `tollgate`, the shim.
    pub shim: PathBuf,
    /// `tollgate-backend`.
    pub backend: PathBuf,
    /// `claude-sim`.
    pub claude_sim: PathBuf,
}

/// Builds the programs. Cargo prints only warnings and errors.
///
/// # Errors
/// Fails if a program does not compile.
pub fn build() -> Result<Binaries> {
    build_with(&["--quiet"])
}

/// Builds the programs and shows cargo's progress. `release` selects an optimized build.
///
/// # Errors
/// Same as [`build`].
pub fn build_shown(release: bool) -> Result<Binaries> {
    build_with(if release { &["--release"] } else { &[] })
}

/// Builds an optimized shim and shows cargo's progress.
///
/// # Errors
/// Same as [`build`].
pub fn build_release_shim() -> Result<PathBuf> {
    find(&cargo(&["--package", "tollgate-shim", "--release"])?, "tollgate")
}

/// Builds the dynamic module and returns its path. Cargo prints only warnings and errors.
///
/// # Errors
/// Fails if the module does not compile.
pub fn build_module() -> Result<PathBuf> {
    build_module_with(&["--quiet"])
}

/// Builds the dynamic module, shows cargo's progress, and returns the module's path. `release`
/// selects an optimized build.
///
/// # Errors
/// Same as [`build_module`].
pub fn build_module_shown(release: bool) -> Result<PathBuf> {
    build_module_with(if release { &["--release"] } else { &[] })
}

/// Builds a module that panics where a request asks for it, and returns its path.
///
/// # Errors
/// Same as [`build_module`].
pub fn build_planted_module() -> Result<PathBuf> {
    let planted = "tollgate-module-under-test/planted-panic";
    let flags = ["--package", "tollgate-module-under-test", "--features", planted, "--quiet"];
    build_library("module_under_test", PLANTED_MODULE, &flags)
}

/// The platform other than this one that the module can be built for.
pub const ARM64: &str = "aarch64-unknown-linux-gnu";

/// Builds an optimized module for the platform `target`, which needs at most version `glibc` of the C
/// library, shows cargo's progress, and returns the module's path.
///
/// # Errors
/// Fails if the compilers cannot be fetched, or the module does not compile.
pub fn build_module_for(target: &str, glibc: &str) -> Result<PathBuf> {
    if !rust_target::has(Path::new(&env::rustc()), target) {
        rust_target::add(target).with_context(|| format!("cannot get a compiler for {target}"))?;
    }
    let mut cargo = setup::zig()?.cargo_build();
    cargo.args(["--lib", "--package", "tollgate-module", "--release", MESSAGES, "--target"]);
    cargo.arg(format!("{target}.{glibc}")).current_dir(paths::root());
    let messages = command::show_and_capture(&mut cargo, BUILD_LIMIT)?;
    put_library(
        &messages,
        "tollgate_module",
        &paths::root().join(MODULES).join(target).join(MODULE),
    )
}

fn build_module_with(flags: &[&str]) -> Result<PathBuf> {
    let own = ["--package", "tollgate-module"];
    build_library("tollgate_module", MODULE, &[own.as_slice(), flags].concat())
}

/// Builds a library, and moves a copy to the modules' folder as `file`.
fn build_library(name: &str, file: &str, flags: &[&str]) -> Result<PathBuf> {
    // With the programs, so that cargo selects the same features of the crates they share.
    let messages = cargo(&[&PACKAGES, ["--lib"].as_slice(), flags].concat())?;
    put_library(&messages, name, &paths::root().join(MODULES).join(file))
}

/// Moves a copy of a built library to `path`. The move is atomic, since a running Envoy has the file
/// mapped.
fn put_library(messages: &str, name: &str, path: &Path) -> Result<PathBuf> {
    let built = library(messages, name)
        .with_context(|| format!("cargo did not build a library named {name}"))?;
    let new = path.with_extension("new");
    std::fs::create_dir_all(path.parent().unwrap_or(paths::root()))
        .and_then(|()| std::fs::copy(&built, &new))
        .and_then(|_| std::fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}

/// The programs' packages.
const PACKAGES: [&str; 6] = [
    "--package",
    "tollgate-shim",
    "--package",
    "tollgate-backend",
    "--package",
    "tollgate-claude-sim",
];
/// The folder of built modules, where `envoy/tollgate-module.yaml` expects this platform's.
const MODULES: &str = "target/module";
/// The file name of a built module.
const MODULE: &str = "libtollgate_module.so";
/// The file name of the module with planted panics.
const PLANTED_MODULE: &str = "libtollgate_planted.so";
/// Makes cargo write readable progress and errors to stderr, and the JSON list of what it built to
/// stdout.
const MESSAGES: &str = "--message-format=json-render-diagnostics";

fn build_with(flags: &[&str]) -> Result<Binaries> {
    let messages = cargo(&[&PACKAGES, flags].concat())?;
    Ok(Binaries {
        shim: find(&messages, "tollgate")?,
        backend: find(&messages, "tollgate-backend")?,
        claude_sim: find(&messages, "claude-sim")?,
    })
}

/// Runs `cargo build` and returns its JSON messages.
fn cargo(args: &[&str]) -> Result<String> {
    let mut cargo = command::cargo();
    cargo.args(["build", "--bins", MESSAGES]).args(args);
    command::show_and_capture(cargo.current_dir(paths::root()), BUILD_LIMIT)
}

fn find(messages: &str, name: &str) -> Result<PathBuf> {
    executable(messages, name)
        .with_context(|| format!("cargo did not build a program named {name}"))
}

/// The relevant part of a cargo message.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
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

/// Returns the file of a shared library.
fn library(messages: &str, name: &str) -> Option<PathBuf> {
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find(|message| message.target.as_ref().is_some_and(|target| target.name == name))?;
    built.filenames.into_iter().find(|file| file.extension().is_some_and(|end| end == "so"))
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
