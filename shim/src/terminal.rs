//! Prints the output of commands.

use std::io::Write;

/// Prints to standard output. Ignores errors, for instance a closed pipe.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints to standard error. Ignores errors.
pub(crate) fn print_error(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
