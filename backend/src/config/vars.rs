//! Reads variables one by one: absent, empty, right or wrong.
//!
//! Used by [`super::Config`] and its part for Claude.

use std::ops::RangeInclusive;

/// The longest value repeated back in an error.
const MAX_FOUND_CHARS: usize = 100;

/// A variable with a value that cannot be used, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: expected {expected}, found {found}")]
pub struct ConfigError {
    /// Which one.
    pub variable: &'static str,
    /// What it can be.
    pub expected: &'static str,
    /// What it is, quoted, without passwords.
    pub found: String,
}

impl ConfigError {
    /// The same without the value: whatever was meant as a secret is one to somebody.
    pub(super) fn of_secret(self) -> Self {
        Self { found: "something else".to_owned(), ..self }
    }
}

/// What the variables hold, by name.
pub(super) struct Vars<F>(pub(super) F);

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    /// What `parse` makes of the variable, or `unset`.
    pub(super) fn read<T>(
        &self,
        variable: &'static str,
        unset: T,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        match self.set(variable) {
            Some(text) => parsed(variable, &text, expected, parse),
            None => Ok(unset),
        }
    }

    /// The same where what is not set is as if `unset` were written there.
    pub(super) fn read_or<T>(
        &self,
        variable: &'static str,
        unset: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let text = self.set(variable);
        parsed(variable, text.as_deref().unwrap_or(unset), expected, parse)
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
    // What was no UTF-8 has been read as U+FFFD: the value is not the one that was meant.
    let parsed = if text.contains(char::REPLACEMENT_CHARACTER) { None } else { parse(text) };
    parsed.ok_or_else(|| ConfigError { variable, expected, found: shown(text) })
}

/// A whole number within bounds.
pub(super) fn number(text: &str, within: &RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| within.contains(number))
}

/// A value as an error shows it: quoted, shortened, and without what stands before an `@`, where
/// URLs keep passwords.
fn shown(text: &str) -> String {
    let public =
        text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, host)| format!("…@{host}"));
    let mut chars = public.chars();
    let start: String = chars.by_ref().take(MAX_FOUND_CHARS).collect();
    if chars.next().is_none() { format!("{start:?}") } else { format!("{start:?}…") }
}
