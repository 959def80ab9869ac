//! Builds the filter as it ships: cargo's module without the exports that `exports` removes.

mod exports;

use crate::setup::{rust_target, wasm_rustc, wasm_target};
use crate::{command, paths};
use anyhow::{Context, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

const BUILD_LIMIT: Duration = Duration::from_secs(1800);
const NAME: &str = "tollgate_filter.wasm";
/// The file that identifies the compiler of the folder's content.
const STAMP: &str = "tollgate-compiler";

/// Returns the path of the built filter.
#[must_use]
pub fn path() -> PathBuf {
    target_dir().join(NAME)
}

/// Builds the filter and returns its path. Cargo prints only warnings and errors.
///
/// # Errors
/// Fails if there is no compiler for the target, or if the filter does not compile.
pub fn build() -> Result<PathBuf> {
    build_with(&["--quiet"])
}

/// Builds the filter without CEL, and returns its size in bytes. Leaves the file at [`path`] alone.
///
/// # Errors
/// Same as [`build`].
pub fn bytes_without_cel() -> Result<usize> {
    let _lock = lock()?;
    let module = compile(&["--quiet", "--no-default-features"])?;
    Ok(exports::trimmed(&module)?.len())
}

/// Builds the filter, shows cargo's progress, and returns the filter's path.
///
/// # Errors
/// Same as [`build`].
pub fn build_shown() -> Result<PathBuf> {
    build_with(&[])
}

fn build_with(args: &[&str]) -> Result<PathBuf> {
    let _lock = lock()?;
    trim(&compile(args)?, &path())?;
    Ok(path())
}

/// Runs cargo, and returns the module it built. The caller holds the lock.
fn compile(args: &[&str]) -> Result<Vec<u8>> {
    let rustc = wasm_rustc()?;
    renew(&target_dir(), &identity(rustc.as_deref())?)?;
    let mut cargo = command::cargo();
    cargo.args(["build", "--package", "tollgate-filter", "--profile", "wasm"]).args(args);
    cargo.args(["--target", wasm_target::TARGET, "--target-dir"]).arg(target_dir());
    cargo.current_dir(paths::root());
    if let Some(rustc) = rustc {
        cargo.env("RUSTC", rustc);
    }
    command::show(&mut cargo, BUILD_LIMIT)?;
    let built = target_dir().join(wasm_target::TARGET).join("wasm").join(NAME);
    std::fs::read(&built).with_context(|| format!("cannot read {}", built.display()))
}

/// Trims `module` and moves the result to `trimmed` atomically, since another process may be reading
/// that file.
fn trim(module: &[u8], trimmed: &Path) -> Result<()> {
    let new = trimmed.with_extension("new");
    std::fs::write(&new, exports::trimmed(module)?)
        .and_then(|()| std::fs::rename(&new, trimmed))
        .with_context(|| format!("cannot write {}", trimmed.display()))
}

/// Returns the target folder. It is separate from the native one because the compiler can differ.
fn target_dir() -> PathBuf {
    paths::root().join("target/wasm")
}

/// Locks the target folder. Cargo's own lock covers building in it, but not emptying it before.
fn lock() -> Result<File> {
    let path = target_dir().with_extension("lock");
    let parent = path.parent().unwrap_or(paths::root());
    std::fs::create_dir_all(parent)
        .and_then(|()| File::create(&path))
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("cannot lock {}", path.display()))
}

/// Returns a text that identifies the compiler and its standard library.
fn identity(rustc: Option<&Path>) -> Result<String> {
    let Some(rustc) = rustc else { return Ok("the toolchain's own".to_owned()) };
    let libraries = rustc
        .ancestors()
        .nth(2)
        .map(|sysroot| sysroot.join("lib/rustlib").join(wasm_target::TARGET).join("lib"))
        .unwrap_or_default();
    let library = rust_target::standard_library(&libraries)
        .with_context(|| format!("no standard library in {}", libraries.display()))?;
    let made = library.metadata().and_then(|meta| meta.modified());
    let made = made.with_context(|| format!("cannot get the time of {}", library.display()))?;
    Ok(format!("{} {made:?}", library.display()))
}

/// Empties `dir` if it was filled by a compiler other than `identity`. Cargo compares only the
/// compiler's version, which does not change when the standard library is rebuilt.
fn renew(dir: &Path, identity: &str) -> Result<()> {
    let stamp = dir.join(STAMP);
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == identity) {
        return Ok(());
    }
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    std::fs::write(&stamp, identity).with_context(|| format!("cannot write {}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_emptied_only_when_the_compiler_changes() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("wasm");
        renew(&dir, "one").unwrap();
        std::fs::write(dir.join("built"), "").unwrap();
        renew(&dir, "one").unwrap();
        assert!(dir.join("built").exists());
        renew(&dir, "two").unwrap();
        assert!(!dir.join("built").exists());
    }
}
