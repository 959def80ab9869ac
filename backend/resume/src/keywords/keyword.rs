//! A keyword of a text.

use serde::{Deserialize, Serialize};

/// A keyword of a text, one or more words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyword {
    /// The most frequent spelling: "machine learning", "PostgreSQL".
    pub text: String,
    /// The normalized form for comparison, without spaces, case and plural: "ml", "postgresql".
    pub term: String,
    /// The number of occurrences, at least 1.
    pub count: u32,
    /// The relevance: 3 for technical terms (with a symbol, a digit or an inner capital, or known),
    /// 2 for capitalized words within a sentence and repeated phrases, and 1 for others. Three
    /// occurrences add 1, up to 3.
    pub weight: u8,
}
