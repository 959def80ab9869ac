//! Reads files named on the command line: policies and tokens.

use anyhow::{Context, bail};
use std::io::Read;
use std::path::Path;

/// The largest file read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Returns the text in `path`.
///
/// # Errors
/// Fails if the file cannot be read, is not UTF-8, or is larger than 1 MiB.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    let length = read.with_context(|| format!("cannot read {shown}"))? as u64;
    if length > MAX_FILE_BYTES {
        bail!("expected a file of at most {MAX_FILE_BYTES} bytes, {shown} is larger")
    } else {
        Ok(text)
    }
}
