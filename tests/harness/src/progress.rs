//! What is told while work goes on: one line per step, on stderr.

/// Tells one step.
pub fn say(text: impl std::fmt::Display) {
    eprintln!("  {text}");
}
