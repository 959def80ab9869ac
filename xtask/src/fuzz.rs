//! Builds the fuzz targets in `tests/fuzz/` and runs them over their saved corpora.
//!
//! Called by [`crate::test`]. For fuzzing itself there is `cargo fuzz`; see `CONTRIBUTING.md`.

use crate::cargo::{STEP_LIMIT, cargo};
use anyhow::{Context, Result};
use harness::{command, paths};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use zip::ZipArchive;

/// The manifest of a separate workspace, since the fuzzer provides `main`.
pub(crate) const MANIFEST: &str = "tests/fuzz/Cargo.toml";
const TARGETS: [&str; 9] =
    ["policy", "fields", "when", "refusal", "path", "reply", "events", "values", "module"];

/// Builds the targets without the fuzzer's instrumentation, and runs each over its corpus.
pub(crate) fn run() -> Result<()> {
    // Most of the dependencies have been built there.
    let target_dir = paths::root().join("target");
    let dir = target_dir.join("fuzz");
    let target_arg = target_dir.display().to_string();
    cargo(&["build", "--locked", "--manifest-path", MANIFEST, "--target-dir", &target_arg], &[])?;
    for target in TARGETS {
        let corpus = dir.join("corpus").join(target);
        unpack(target, &corpus)?;
        let mut program = Command::new(target_dir.join("debug").join(target));
        program.arg("-runs=0").arg(&corpus).current_dir(&dir);
        command::output(&mut program, STEP_LIMIT)?;
    }
    Ok(())
}

/// Unpacks a target's corpus. The repository has one archive each instead of hundreds of tiny files.
fn unpack(target: &str, corpus: &Path) -> Result<()> {
    let archive = paths::root().join("tests/fuzz/corpus").join(format!("{target}.zip"));
    let unpacked = File::open(&archive)
        .map_err(anyhow::Error::from)
        .and_then(|file| Ok(ZipArchive::new(file)?.extract(corpus)?));
    unpacked.with_context(|| format!("cannot unpack {}", archive.display()))
}
