//! The bounds on the filter's size. Called by [`crate::test`].

use anyhow::{Context, Result, bail};
use harness::wasm;

/// The most bytes of the shipped filter.
const MAX_BYTES: usize = 1_200_000;
/// The most bytes of the filter without CEL.
const MAX_BYTES_WITHOUT_CEL: usize = 900_000;

/// Builds the filter with and without CEL, and prints both sizes.
///
/// # Errors
/// Fails if one cannot be built, or is too large.
pub(crate) fn run() -> Result<()> {
    let shipped = wasm::build_shown()?;
    let module =
        std::fs::read(&shipped).with_context(|| format!("cannot read {}", shipped.display()))?;
    check("the filter", module.len(), MAX_BYTES)?;
    check("the filter without CEL", wasm::bytes_without_cel()?, MAX_BYTES_WITHOUT_CEL)
}

fn check(what: &str, bytes: usize, most: usize) -> Result<()> {
    println!("{what}: {bytes} bytes of at most {most}");
    if bytes > most {
        bail!(
            "expected {what} to have at most {most} bytes, got {bytes}: see BENCHMARKS.md for what takes space"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_too_large_is_refused() {
        check("x", 5, 5).unwrap();
        let error = check("x", 6, 5).unwrap_err().to_string();
        assert!(error.starts_with("expected x to have at most 5 bytes, got 6"), "{error}");
    }
}
