//! Conditions on a value of a request: equal, one of, a prefix, a number within bounds, and so on.
//! Built by [`crate::policy`], evaluated by [`crate::matching`].
//!
//! A value is a sequence of bytes, or a claim, which can be a number, a Boolean or a list. A list
//! meets a condition if one of its items does. A missing value meets only `present: false`.

mod bounds;
mod regex;

use crate::facts::Value;
pub use bounds::{Bound, Bounds};
pub use regex::{BadRegex, Regex};
use std::borrow::Cow;

/// A condition on a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    test: Test,
    /// True if ASCII letters are compared in lowercase. The texts of `test` are in lowercase then.
    ignore_case: bool,
}

/// The test that a value must pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Present, or absent.
    Present(bool),
    /// Exactly this text.
    Equals(String),
    /// One of these texts, which are sorted.
    OneOf(Vec<String>),
    /// A text that begins with this one.
    Prefix(String),
    /// A text that ends with this one.
    Suffix(String),
    /// A text with this part.
    Contains(String),
    /// A text with this word, where words are separated by spaces; a list with this item.
    Has(String),
    /// A text with a part that matches.
    Regex(Regex),
    /// A number within bounds.
    Within(Bounds),
}

impl Condition {
    /// Creates a condition. With `ignore_case`, uppercase and lowercase ASCII letters are equal.
    #[must_use]
    pub fn new(test: Test, ignore_case: bool) -> Self {
        let folded = |text: String| if ignore_case { text.to_ascii_lowercase() } else { text };
        let test = match test {
            Test::Equals(text) => Test::Equals(folded(text)),
            Test::Prefix(text) => Test::Prefix(folded(text)),
            Test::Suffix(text) => Test::Suffix(folded(text)),
            Test::Contains(text) => Test::Contains(folded(text)),
            Test::Has(text) => Test::Has(folded(text)),
            Test::OneOf(texts) => {
                let mut texts: Vec<_> = texts.into_iter().map(folded).collect();
                texts.sort_unstable();
                texts.dedup();
                Test::OneOf(texts)
            }
            other => other,
        };
        Self { test, ignore_case }
    }

    /// Returns true if a text meets the condition; `None` for a missing one.
    #[must_use]
    pub fn holds(&self, found: Option<&[u8]>) -> bool {
        match (&self.test, found) {
            (Test::Present(wanted), found) => found.is_some() == *wanted,
            (_, None) => false,
            (_, Some(bytes)) => self.fits(bytes),
        }
    }

    /// Returns true if a claim meets the condition; `None` for a missing one.
    #[must_use]
    pub fn holds_for(&self, found: Option<&Value>) -> bool {
        match (&self.test, found) {
            (Test::Present(wanted), found) => found.is_some() == *wanted,
            (_, None) => false,
            (_, Some(Value::List(items))) => items.iter().any(|item| self.fits_item(item)),
            (_, Some(value)) => self.fits_value(value),
        }
    }

    /// Returns true if an item of a list fits. A text in a list is one item, even with spaces.
    fn fits_item(&self, item: &Value) -> bool {
        match (&self.test, item) {
            (Test::Has(wanted), Value::Text(bytes)) => self.is_equal(wanted, bytes),
            _ => self.fits_value(item),
        }
    }

    fn fits_value(&self, value: &Value) -> bool {
        match (&self.test, value) {
            (Test::Within(bounds), Value::Number(number)) => bounds.contain(*number),
            (_, Value::Text(bytes)) => self.fits(bytes),
            (_, other) => self.fits(&other.clone().into_text()),
        }
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        match &self.test {
            Test::Present(wanted) => *wanted,
            Test::Equals(text) => self.is_equal(text, bytes),
            Test::OneOf(texts) => {
                let value = self.folded(bytes);
                texts.binary_search_by(|text| text.as_bytes().cmp(&value)).is_ok()
            }
            Test::Prefix(text) => {
                bytes.get(..text.len()).is_some_and(|start| self.is_equal(text, start))
            }
            Test::Suffix(text) => {
                let at = bytes.len().checked_sub(text.len());
                at.and_then(|at| bytes.get(at..)).is_some_and(|end| self.is_equal(text, end))
            }
            Test::Contains(text) => {
                let value = self.folded(bytes);
                // Linear. A search with `windows` would take the product of both lengths.
                String::from_utf8_lossy(&value).contains(text.as_str())
            }
            Test::Has(word) => bytes.split(|b| *b == b' ').any(|found| self.is_equal(word, found)),
            Test::Regex(regex) => regex.is_match(bytes),
            Test::Within(bounds) => number(bytes).is_some_and(|number| bounds.contain(number)),
        }
    }

    fn is_equal(&self, text: &str, bytes: &[u8]) -> bool {
        if self.ignore_case {
            text.as_bytes().eq_ignore_ascii_case(bytes)
        } else {
            text.as_bytes() == bytes
        }
    }

    fn folded<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.ignore_case { Cow::Owned(bytes.to_ascii_lowercase()) } else { Cow::Borrowed(bytes) }
    }
}

/// Parses a decimal number, such as `5`, `-0.5` or `1e3`, as leniently as servers do: spaces and tabs
/// around it are ignored, and one too large for a double is infinite. Otherwise clients could choose
/// a spelling that the upstream reads as a number and a bound does not. Returns `None` for anything
/// else, including `inf` and `nan`.
fn number(bytes: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(bytes).ok()?.trim_matches([' ', '\t']);
    let is_numeric = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
    text.bytes().all(is_numeric).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
