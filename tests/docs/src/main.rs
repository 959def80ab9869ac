//! `docs`: rewrites the generated regions of the book, or, with `--check`, fails if one is stale.
//!
//! Called by `cargo xtask docs`.

use anyhow::{Result, bail};
use clap::Parser;

/// Generate the reference tables of the book from the code
#[derive(Debug, Parser)]
struct Cli {
    /// Change nothing; fail if a page is stale
    #[arg(long)]
    check: bool,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let stale = docs::generate::stale()?;
    if cli.check {
        if !stale.is_empty() {
            let names: Vec<_> = stale.iter().map(|page| page.path.as_str()).collect();
            bail!("{} no longer match the code: run `cargo xtask docs`", names.join(", "));
        }
        return Ok(());
    }
    for page in stale {
        std::fs::write(harness::paths::root().join(&page.path), &page.text)?;
        println!("{}", page.path);
    }
    Ok(())
}
