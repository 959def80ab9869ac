//! The compiler for `wasm32-unknown-unknown`: the toolchain's own, or one made from Debian packages.
//!
//! If rustup can download, `rustup target add` is enough. If not, Debian's `rustc-web` (a current Rust
//! for building browsers) is unpacked into the cache folder, and its standard library is compiled for
//! the target. That compiler builds only the filter.

use super::debian::{self, Apt};
use super::{cache, rust_target};
use crate::{command, env, progress};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The target that the filter is built for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The cache entry. Increase the number when the recipe below changes.
const ENTRY: &str = "wasm-sysroot-1";
const LOOK_UP_LIMIT: Duration = Duration::from_secs(30);
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// Returns the compiler to pass to cargo as `RUSTC` when building the filter, or `None` if cargo's own
/// supports the target. Sets the compiler up if it is missing.
///
/// # Errors
/// Fails if neither rustup nor Debian can provide a compiler. The error has both causes.
pub fn wasm_rustc() -> Result<Option<PathBuf>> {
    if rust_target::has(Path::new(&env::rustc()), TARGET) {
        return Ok(None);
    }
    let sysroot = crate::paths::cache_dir()?.join(ENTRY);
    if !sysroot.is_dir() {
        let Err(rustup) = rust_target::add(TARGET) else { return Ok(None) };
        crate::signals::check()?;
        progress::say("rustup cannot provide the target: building it from Debian packages");
        cache::entry(ENTRY, make_sysroot).with_context(|| {
            format!("cannot get a compiler for {TARGET}: {rustup:#}; from Debian packages")
        })?;
    }
    Ok(Some(sysroot.join("bin/rustc")))
}

/// Builds a compiler with the target's standard library in `dir`.
fn make_sysroot(dir: &Path) -> Result<()> {
    let tree = dir.join("tree");
    let lists = dir.join("apt");
    std::fs::create_dir(&tree).with_context(|| format!("cannot create {}", tree.display()))?;
    Apt::with_lists(&lists, |apt| {
        let packages = packages(apt)?;
        progress::say(format_args!("fetching {} Debian packages (140 MB)", packages.len()));
        apt.unpack(&packages, &tree)
    })?;
    lay_out(&tree, dir)?;
    progress::say("compiling the standard library for the target (about a minute)");
    build_std(dir)?;
    for folder in [tree, lists, dir.join("lib/rustlib/src")] {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    if !rust_target::has(&dir.join("bin/rustc"), TARGET) {
        bail!("the compiler made from Debian packages does not find its standard library");
    }
    Ok(())
}

/// Returns the names of the required packages. They contain versions, so they are found by following
/// dependencies.
fn packages(apt: &Apt) -> Result<Vec<String>> {
    let version = apt.version("rustc-web")?;
    let needed = env!("CARGO_PKG_RUST_VERSION");
    if !is_at_least(&version, needed) {
        bail!("expected Debian's rustc-web to be {needed} or later, got {version}");
    }
    let only = |from: &str, prefix: &str| -> Result<String> {
        let found =
            apt.depends(&[from.to_owned()])?.into_iter().find(|name| name.starts_with(prefix));
        found.with_context(|| format!("Debian's {from} does not depend on {prefix}…"))
    };
    let std = only("libstd-rust-web-dev", "libstd-rust-web-")?;
    let llvm = only(&std, "libllvm")?;
    let lld = format!("lld-{}", llvm.trim_start_matches("libllvm"));
    let names = ["rustc-web", "libstd-rust-web-dev", &std, &llvm, &lld, "rust-web-src"];
    let mut packages: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    packages.extend(apt.missing_libraries(&[std, llvm, lld])?);
    Ok(packages)
}

/// Returns true if Debian's `version` is at least Rust `needed`, by their first two numbers.
fn is_at_least(version: &str, needed: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        text.split(|c: char| !c.is_ascii_digit()).take(2).filter_map(|n| n.parse().ok()).collect()
    };
    numbers(version) >= numbers(needed)
}

/// Moves the compiler's files from Debian's layout to the one that rustc expects.
fn lay_out(tree: &Path, dir: &Path) -> Result<()> {
    let create = |folder: &str| {
        std::fs::create_dir_all(dir.join(folder)).with_context(|| format!("cannot create {folder}"))
    };
    let rename = |from: &Path, to: &str| {
        std::fs::rename(from, dir.join(to))
            .with_context(|| format!("cannot move {} to {to}", from.display()))
    };
    create("bin")?;
    create("lib")?;
    rename(&tree.join("usr/bin/rustc"), "bin/rustc.real")?;
    debian::write_wrapper(&dir.join("bin/rustc"), "rustc.real")?;
    rename(&tree.join("usr/lib/rustlib"), "lib/rustlib")?;
    debian::move_libraries(tree, &dir.join("lib"))?;

    let host = host_of(&dir.join("bin/rustc"))?;
    create(&format!("lib/rustlib/{host}/bin"))?;
    let llvm = only_match(&tree.join("usr/lib"), "llvm-")?;
    rename(&llvm.join("bin/lld"), &format!("lib/rustlib/{host}/bin/rust-lld"))?;

    // Debian's package has a link to the path at which the source would be installed. Replace it
    // with the source itself.
    let source = only_match(&tree.join("usr/src"), "rustc-")?;
    let link = dir.join("lib/rustlib/src");
    if link.exists() || link.is_symlink() {
        std::fs::remove_dir_all(&link)
            .with_context(|| format!("cannot remove {}", link.display()))?;
    }
    create("lib/rustlib/src/rust")?;
    rename(&source.join("library"), "lib/rustlib/src/rust/library")
}

/// Returns the entry of `dir` whose name starts with `prefix`.
fn only_match(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let found = debian::list(dir)?.into_iter().find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    });
    found.with_context(|| format!("Debian's packages contain no {prefix}… in {}", dir.display()))
}

/// Returns the host platform of `rustc`.
fn host_of(rustc: &Path) -> Result<String> {
    let shown = command::output(Command::new(rustc).arg("-vV"), LOOK_UP_LIMIT)?;
    let host = shown.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` printed no host")?.to_owned())
}

/// Compiles the standard library for the target by building an empty crate.
fn build_std(dir: &Path) -> Result<()> {
    let krate = dir.join("empty");
    std::fs::create_dir_all(krate.join("src")).context("cannot create an empty crate")?;
    std::fs::write(
        krate.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
    )?;
    std::fs::write(krate.join("src/lib.rs"), "#![no_std]\n")?;

    let mut cargo = command::cargo();
    cargo.args([
        "build",
        "--quiet",
        "--release",
        "-Zbuild-std=std,panic_abort",
        "--target",
        TARGET,
    ]);
    cargo.args(["--target-dir", "target"]).current_dir(&krate);
    cargo.env("RUSTC", dir.join("bin/rustc")).env("RUSTC_BOOTSTRAP", "1");
    cargo.env("RUSTFLAGS", "-Cembed-bitcode=yes -Ccodegen-units=1").env_remove("RUSTUP_TOOLCHAIN");
    for variable in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    command::output(&mut cargo, BUILD_LIMIT)?;

    let libraries = dir.join(format!("lib/rustlib/{TARGET}/lib"));
    std::fs::create_dir_all(&libraries)
        .with_context(|| format!("cannot create {}", libraries.display()))?;
    let built = krate.join(format!("target/{TARGET}/release/deps"));
    for file in debian::list(&built)? {
        let name = file.file_name().unwrap_or_default().to_owned();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libempty") {
            std::fs::rename(&file, libraries.join(&name))
                .with_context(|| format!("cannot move {}", file.display()))?;
        }
    }
    std::fs::remove_dir_all(&krate).with_context(|| format!("cannot remove {}", krate.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debian_version_is_compared_by_its_first_two_numbers() {
        for (version, expected) in [
            ("1.96.0+dfsg1-1~deb12u2", true),
            ("1.95.0+dfsg1-1", true),
            ("2.0.0-1", true),
            ("1.85.0+dfsg3-1~deb12u3", false),
            ("1.100.0-1", true),
            ("unknown", false),
        ] {
            assert_eq!(is_at_least(version, "1.95"), expected, "{version}");
        }
    }
}
