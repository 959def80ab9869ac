//! The error for unusable answers.

/// An answer that fails its checks. The message never quotes the answer, which contains personal
/// data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The answer doesn't match its schema, or isn't JSON.
    #[error("expected JSON that matches the schema, found {} at line {line} column {column}",
        if *is_json { "other members" } else { "invalid JSON" })]
    Shape {
        /// The line of the mistake.
        line: usize,
        /// The column of the mistake.
        column: usize,
        /// True if the answer is valid JSON.
        is_json: bool,
    },
    /// A score is out of range.
    #[error("{what}: expected a score from 0 to 100, found {found}")]
    Score {
        /// The score's name.
        what: &'static str,
        /// The score found.
        found: i64,
    },
    /// A text or a list is empty or too long.
    #[error("{what}: expected {min} to {max} characters or entries, found {found}")]
    Length {
        /// The text's or list's name.
        what: &'static str,
        /// The minimum number of characters or entries.
        min: usize,
        /// The maximum number of characters or entries.
        max: usize,
        /// The number found.
        found: usize,
    },
    /// The answer proposes changes, but none can be applied.
    #[error("expected changes that can be applied, found {found} that cannot")]
    NoOperation {
        /// The number of changes.
        found: usize,
    },
    /// The reply cannot be serialized, which its types rule out.
    #[error("cannot serialize the reply as JSON")]
    Unwritable,
}
