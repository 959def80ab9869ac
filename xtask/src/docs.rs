//! `cargo xtask docs`: the generated tables of the book.
//!
//! Called by the binary. The generator is a separate program, since it links the programs that it
//! describes.

use crate::cargo::cargo;
use anyhow::Result;
use clap::Args;

/// The flags of `cargo xtask docs`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Docs {
    /// Change nothing; fail if a page is stale
    #[arg(long)]
    pub check: bool,
}

/// Rewrites the generated tables, or checks them.
///
/// # Errors
/// Fails if a page is stale (with `--check`) or cannot be written.
pub(crate) fn run(flags: &Docs) -> Result<()> {
    let mut args = vec!["run", "--quiet", "--package", "tollgate-docs"];
    if flags.check {
        args.extend(["--", "--check"]);
    }
    cargo(&args, &[])
}
