//! Checks that the schema cannot express: the API enforces types and names, but not ranges and
//! lengths.

use super::unfit::Unfit;
use serde::de::DeserializeOwned;

/// Parses `text` as a `T`.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Unfit> {
    // On a syntax error, report the place but not the text.
    serde_json::from_str(text).map_err(|error| Unfit::Shape {
        line: error.line(),
        column: error.column(),
        is_json: error.is_data(),
    })
}

/// Cleans up a text: trims it, removes control characters, and with [`Lines::One`] turns line
/// breaks into spaces. Fails if the result is empty or longer than `max_chars`.
pub(super) fn text(
    what: &'static str,
    text: &str,
    max_chars: usize,
    lines: Lines,
) -> Result<String, Unfit> {
    let is_kept = |c: &char| !c.is_control() || (lines == Lines::Many && *c == '\n');
    let plain = |c| if lines == Lines::One && c == '\n' { ' ' } else { c };
    let text: String = text.chars().map(plain).filter(is_kept).collect();
    let text = text.trim().to_owned();
    let chars = text.chars().count();
    if chars == 0 || chars > max_chars {
        return Err(Unfit::Length { what, min: 1, max: max_chars, found: chars });
    }
    Ok(text)
}

/// The line breaks that a text may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Many,
}

/// Checks a score, from 0 to 100.
pub(super) fn score(what: &'static str, found: i64) -> Result<u8, Unfit> {
    u8::try_from(found).ok().filter(|score| *score <= 100).ok_or(Unfit::Score { what, found })
}

/// Checks a list's length.
pub(super) fn list<T>(what: &'static str, items: Vec<T>, max: usize) -> Result<Vec<T>, Unfit> {
    let found = items.len();
    if found > max { Err(Unfit::Length { what, min: 0, max, found }) } else { Ok(items) }
}
