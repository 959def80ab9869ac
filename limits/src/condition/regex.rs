//! A regular expression, compiled once and matched in linear time.

use regex_lite::RegexBuilder;

/// The longest expression, in bytes.
const MAX_REGEX_BYTES: usize = 1_000;
/// The most memory of a compiled expression, in bytes.
const MAX_COMPILED_BYTES: usize = 64 * 1024;
/// The deepest nesting of groups.
const MAX_DEPTH: u32 = 50;

/// A compiled regular expression. Two are equal if they were compiled from the same text.
#[derive(Debug, Clone)]
pub struct Regex {
    text: String,
    ignore_case: bool,
    compiled: regex_lite::Regex,
}

/// An expression that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRegex {
    /// The expression is too long.
    #[error("expected a regular expression of at most 1000 bytes, found {0} bytes")]
    TooLong(usize),
    /// The syntax is invalid or not supported, or the compiled expression is too large.
    #[error("expected a regular expression: {0}")]
    Invalid(String),
}

impl Regex {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`BadRegex`] if the expression is invalid or too large.
    pub fn parse(text: &str, ignore_case: bool) -> Result<Self, BadRegex> {
        if text.len() > MAX_REGEX_BYTES {
            return Err(BadRegex::TooLong(text.len()));
        }
        let mut builder = RegexBuilder::new(text);
        builder.case_insensitive(ignore_case).nest_limit(MAX_DEPTH).size_limit(MAX_COMPILED_BYTES);
        let compiled = builder.build().map_err(|error| BadRegex::Invalid(error.to_string()))?;
        Ok(Self { text: text.to_owned(), ignore_case, compiled })
    }

    /// Returns true if a part of `bytes` matches. Bytes that are not UTF-8 count as U+FFFD.
    #[must_use]
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.compiled.is_match(&String::from_utf8_lossy(bytes))
    }

    /// Returns the expression as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.ignore_case) == (&other.text, other.ignore_case)
    }
}

impl Eq for Regex {}
