//! Zig and cargo-zigbuild, with which cargo builds for another platform and an old enough C library.
//!
//! Zig contains a C compiler, a linker and the C library's symbols for every platform and version, so
//! nothing else needs to be installed. Called by [`crate::binaries`].

use super::wheel::Wheel;
use crate::paths;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// Zig, packaged by the Zig project.
const ZIG: Wheel = Wheel {
    package: "ziglang",
    version: "0.17.1",
    platform: "manylinux_2_12_x86_64",
    sha256: "ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54",
    member: "ziglang/zig",
    program: "ziglang/zig",
    megabytes: 101,
};

/// cargo-zigbuild, packaged by its authors.
const CARGO_ZIGBUILD: Wheel = Wheel {
    package: "cargo-zigbuild",
    version: "0.24.1",
    platform: "manylinux_2_5_x86_64",
    sha256: "238a1ab54a95053a4eadc34775c81f795a8ad75f80bfed63f3f445f518102375",
    member: "cargo_zigbuild-0.24.1.data/scripts/cargo-zigbuild",
    program: "cargo-zigbuild",
    megabytes: 2,
};

/// The two programs.
#[derive(Debug, Clone)]
pub struct Zig {
    zig: PathBuf,
    cargo_zigbuild: PathBuf,
}

impl Zig {
    /// Returns a command that builds like `cargo build`. Callers add its arguments. `--target` takes a
    /// version of glibc too, as in `aarch64-unknown-linux-gnu.2.35`.
    #[must_use]
    pub fn cargo_build(&self) -> Command {
        let mut command = Command::new(&self.cargo_zigbuild);
        command.arg("zigbuild").env("CARGO_ZIGBUILD_ZIG_PATH", &self.zig);
        // Both would otherwise write to the user's cache folder.
        let cache = paths::root().join("target/zig");
        command.env("ZIG_GLOBAL_CACHE_DIR", cache.join("zig"));
        command.env("CARGO_ZIGBUILD_CACHE_DIR", cache.join("cargo-zigbuild"));
        command
    }
}

/// Returns the programs. Fetches them if they are missing.
///
/// # Errors
/// Fails if they cannot be fetched.
pub fn zig() -> Result<Zig> {
    let zig = ZIG.program_with_files().context("cannot get Zig")?;
    let cargo_zigbuild = CARGO_ZIGBUILD.program().context("cannot get cargo-zigbuild")?;
    Ok(Zig { zig, cargo_zigbuild })
}
