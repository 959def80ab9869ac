//! What the schema cannot say: the service that Claude answers through holds it to types and
//! names, not to ranges and lengths.

use super::unfit::Unfit;
use serde::de::DeserializeOwned;

/// Reads `text` as one `T`, which has no members that it does not know.
pub(super) fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, Unfit> {
    // Where it is not JSON at all, the message has a place and none of the text.
    serde_json::from_str(text).map_err(|error| Unfit::Shape {
        line: error.line(),
        column: error.column(),
        is_json: error.is_data(),
    })
}

/// A text without blanks around it and without control characters (but for line feeds where there
/// may be several lines), which is not empty, and not longer than it may be.
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

/// Whether a text may have line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Many,
}

/// A score from 0 to 100.
pub(super) fn score(what: &'static str, found: i64) -> Result<u8, Unfit> {
    u8::try_from(found).ok().filter(|score| *score <= 100).ok_or(Unfit::Score { what, found })
}

/// A list that is not longer than it may be.
pub(super) fn list<T>(what: &'static str, items: Vec<T>, max: usize) -> Result<Vec<T>, Unfit> {
    let found = items.len();
    if found > max { Err(Unfit::Length { what, min: 0, max, found }) } else { Ok(items) }
}
