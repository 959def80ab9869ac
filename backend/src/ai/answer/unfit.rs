//! Why an answer is not taken.

/// Why an answer is not taken. It says nothing of what the answer says: that is someone's résumé.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not of its schema, or not JSON.
    #[error("expected JSON of the schema, found {} at line {line} column {column}",
        if *is_json { "other members" } else { "no JSON" })]
    Shape {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
        /// Whether it is JSON all the same.
        is_json: bool,
    },
    /// A score is none.
    #[error("{what}: expected a score from 0 to 100, found {found}")]
    Score {
        /// Which.
        what: &'static str,
        /// What it is.
        found: i64,
    },
    /// A text or a list is empty or too long.
    #[error("{what}: expected {min} to {max} characters or entries, found {found}")]
    Length {
        /// Which.
        what: &'static str,
        /// How many characters or entries there have to be.
        min: usize,
        /// How many may be.
        max: usize,
        /// How many there are.
        found: usize,
    },
    /// There are changes, and none of them can be made.
    #[error("expected changes that can be made, found {found} that cannot")]
    NoOperation {
        /// How many.
        found: usize,
    },
    /// It cannot be written down, which our own types rule out.
    #[error("expected a reply that can be written as JSON")]
    Unwritable,
}
