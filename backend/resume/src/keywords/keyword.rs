//! A word or a few that a text is about.

use serde::{Deserialize, Serialize};

/// A word or a few that a text is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyword {
    /// As the text has it most often: "machine learning", "PostgreSQL".
    pub text: String,
    /// The form in which it is compared: no spaces, case or plural; "ml", "postgresql".
    pub term: String,
    /// How often the text has it, 1 or more.
    pub count: u32,
    /// How much it tells: 3 for a term of a trade (a symbol, a digit, an inner capital, a known
    /// phrase), 2 for a word in capitals within a sentence and a repeated phrase, 1 for others; 1
    /// more, up to 3, for what is there three times.
    pub weight: u8,
}
