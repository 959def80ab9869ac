//! Reads and parses single variables.
//!
//! Used by [`super::Config`] and `ClaudeConfig`.

use std::ops::RangeInclusive;

/// The longest value quoted in an error.
const MAX_FOUND_CHARS: usize = 100;

/// A variable with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: expected {expected}, found {found}")]
pub struct ConfigError {
    /// The variable's name.
    pub variable: &'static str,
    /// The expected form.
    pub expected: &'static str,
    /// The value found, quoted, without passwords.
    pub found: String,
}

impl ConfigError {
    /// Returns the error without the value, for variables that hold secrets.
    pub(super) fn of_secret(self) -> Self {
        Self { found: "something else".to_owned(), ..self }
    }
}

/// A lookup of variables by name.
pub(super) struct Vars<F>(pub(super) F);

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    /// Parses the variable, or returns `default` if it is not set.
    pub(super) fn read<T>(
        &self,
        variable: &'static str,
        default: T,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        match self.set(variable) {
            Some(text) => parsed(variable, &text, expected, parse),
            None => Ok(default),
        }
    }

    /// Parses the variable, or the text `default` if it is not set.
    pub(super) fn read_or<T>(
        &self,
        variable: &'static str,
        default: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let text = self.set(variable);
        parsed(variable, text.as_deref().unwrap_or(default), expected, parse)
    }

    fn set(&self, variable: &str) -> Option<String> {
        (self.0)(variable).filter(|text| !text.is_empty())
    }
}

fn parsed<T>(
    variable: &'static str,
    text: &str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ConfigError> {
    // Invalid UTF-8 was read as U+FFFD, so the value is not the intended one.
    let parsed = if text.contains(char::REPLACEMENT_CHARACTER) { None } else { parse(text) };
    parsed.ok_or_else(|| ConfigError { variable, expected, found: quoted(text) })
}

/// Parses a whole number within bounds.
pub(super) fn number(text: &str, within: &RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| within.contains(number))
}

/// Formats a value for an error: quoted, shortened, and without anything before an `@`, where URLs
/// have passwords.
fn quoted(text: &str) -> String {
    let public =
        text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, host)| format!("…@{host}"));
    let mut chars = public.chars();
    let start: String = chars.by_ref().take(MAX_FOUND_CHARS).collect();
    if chars.next().is_none() { format!("{start:?}") } else { format!("{start:?}…") }
}
