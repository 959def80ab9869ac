//! Prints what a command has to say.

use std::io::Write;

/// Prints to standard output. Where that is closed, nothing is printed.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints to standard error, likewise.
pub(crate) fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
