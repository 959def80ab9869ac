//! Progress messages on stderr, one line per step.

/// Prints a progress message.
pub fn say(text: impl std::fmt::Display) {
    eprintln!("  {text}");
}
