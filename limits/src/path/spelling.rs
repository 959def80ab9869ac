//! Paths that servers read in different ways: with escaped slashes, or with bytes that cannot be
//! decoded.
//!
//! [`Oddities`] says what is odd about a path. [`NormalPath::read`] reads it in one of the ways in
//! which servers do, and [`NormalPath::respelled`] writes the result so that there is only one
//! reading left. Called by [`crate::ambiguous`].
//!
//! Some spellings have no use but to mislead, so every reading refuses them:
//! - an escaped slash among `;parameters`,
//! - `.` or `..` next to an escaped slash, or hidden by bytes that some servers drop. So a segment
//!   never leads out of its place, even if a server reads it in another way after all,
//! - an overlong UTF-8 form, or `%u002f`,
//! - an invalid escape that could become a valid one when some of its bytes are dropped.

use super::without_parameters;
use super::{BadPath, NormalPath, absolute, has_escaped_slash, hex, path_bytes, push, split};
use std::fmt::Write as _;

/// The things about a path that servers read in different ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// It has an escaped slash or backslash.
    pub(crate) slash: bool,
    /// It has a `%` without two hex digits, or bytes that are not UTF-8.
    pub(crate) undecodable: bool,
}

/// A way of reading escaped slashes and backslashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slash {
    /// Part of a segment's name, written `%2F` and `%5C` there.
    Kept,
    /// A slash between segments.
    Decoded,
}

/// A way of reading bytes that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// Part of a segment's name, written `%XX` there. The `%` of an invalid escape stays.
    Kept,
    /// Left out.
    Dropped,
}

/// A way of reading a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) slash: Slash,
    pub(crate) undecodable: Undecodable,
}

impl Oddities {
    /// Finds out what is odd about `raw`, the `:path` of a request.
    ///
    /// # Errors
    /// [`BadPath`] if no reading accepts the path.
    pub(crate) fn of(raw: &[u8]) -> Result<Self, BadPath> {
        let mut found = Self::default();
        for segment in split(absolute(raw)?.unwrap_or_default()) {
            let name = without_parameters(segment);
            if has_escaped_slash(segment.get(name.len()..).unwrap_or_default()) {
                return Err(BadPath::EscapedSlash);
            }
            let decoded = Decoded::of(name)?;
            decoded.leads_astray()?;
            found.slash |= decoded.has_slash();
            found.undecodable |= decoded.is_undecodable;
        }
        Ok(found)
    }

    /// Returns each way of reading a path with these oddities.
    pub(crate) fn readings(self) -> impl Iterator<Item = Reading> {
        let slashes = [Some(Slash::Kept), self.slash.then_some(Slash::Decoded)];
        let undecodable =
            [Some(Undecodable::Kept), self.undecodable.then_some(Undecodable::Dropped)];
        slashes.into_iter().flatten().flat_map(move |slash| {
            let all = undecodable.into_iter().flatten();
            all.map(move |undecodable| Reading { slash, undecodable })
        })
    }
}

impl NormalPath {
    /// Normalizes `raw` in one of the ways in which servers read it.
    ///
    /// # Errors
    /// [`BadPath`] if [`Oddities::of`] or this reading does not accept the path.
    pub(crate) fn read(raw: &[u8], reading: Reading) -> Result<Self, BadPath> {
        let mut segments = Vec::new();
        for segment in split(absolute(raw)?.unwrap_or_default()) {
            let decoded = Decoded::of(without_parameters(segment))?;
            let text = match reading.undecodable {
                Undecodable::Kept => decoded.kept,
                Undecodable::Dropped => decoded.dropped,
            };
            match reading.slash {
                Slash::Decoded => text
                    .split(['/', '\\'])
                    .try_for_each(|part| push(&mut segments, part.to_owned()))?,
                Slash::Kept => {
                    push(&mut segments, text.replace('/', "%2F").replace('\\', "%5C"))?;
                }
            }
        }
        Ok(Self { segments })
    }

    /// Returns the `:path` that has this normal form in every reading, with the query of `raw`.
    pub(crate) fn respelled(&self, raw: &[u8]) -> Vec<u8> {
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            for letter in segment.chars() {
                match letter {
                    '%' | '?' | '#' | ';' => {
                        let _infallible = write!(text, "%{:02X}", u32::from(letter));
                    }
                    _ => text.push(letter),
                }
            }
        }
        if text.is_empty() {
            text.push('/');
        }
        let mut path = text.into_bytes();
        path.extend_from_slice(raw.get(path_bytes(raw)..).unwrap_or_default());
        path
    }
}

/// A segment, decoded. A slash or backslash in it was escaped.
struct Decoded {
    /// With the undecodable bytes, each `%XX`.
    kept: String,
    /// Without the undecodable bytes.
    dropped: String,
    is_undecodable: bool,
}

impl Decoded {
    fn of(segment: &[u8]) -> Result<Self, BadPath> {
        let (mut kept, mut dropped) = (Vec::new(), Vec::new());
        let mut rest = segment;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let byte = match (*first, hex(after.first().copied(), after.get(1).copied())) {
                (b'%', None) if is_misleading(after) => return Err(BadPath::BadEscape),
                (b'%', None) => {
                    kept.push(b'%');
                    continue;
                }
                (b'%', Some(byte)) => {
                    rest = after.get(2..).unwrap_or_default();
                    byte
                }
                (plain, _) => plain,
            };
            kept.push(byte);
            dropped.push(byte);
        }
        let is_undecodable = kept.len() > dropped.len() || std::str::from_utf8(&kept).is_err();
        Ok(Self { kept: text(&kept, true)?, dropped: text(&dropped, false)?, is_undecodable })
    }

    fn has_slash(&self) -> bool {
        self.kept.contains(['/', '\\'])
    }

    /// Returns an error if a dot segment hides in this one.
    fn leads_astray(&self) -> Result<(), BadPath> {
        let is_dot = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
        let hides_dot = self.dropped.split(['/', '\\']).any(is_dot);
        match (self.has_slash(), self.is_undecodable) {
            (true, _) if hides_dot => Err(BadPath::EscapedSlash),
            (_, true) if hides_dot => Err(BadPath::NotUtf8),
            _ => Ok(()),
        }
    }
}

/// Returns true if an invalid escape, followed by `after`, could become a valid one when a server
/// drops some bytes, or if it is one of a Unicode form (`%u002f`).
fn is_misleading(after: &[u8]) -> bool {
    let next = after.get(..after.len().min(2)).unwrap_or_default();
    let is_unicode = matches!(next.first(), Some(b'u' | b'U'));
    is_unicode || next.iter().any(|byte| *byte == b'%' || !byte.is_ascii())
}

/// Decodes UTF-8. Writes other bytes as `%XX` if `keeps`, else leaves them out.
fn text(bytes: &[u8], keeps: bool) -> Result<String, BadPath> {
    if bytes.windows(2).any(is_overlong) {
        return Err(BadPath::NotUtf8);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().contains(char::is_control) {
            return Err(BadPath::Control);
        }
        text.push_str(chunk.valid());
        for byte in chunk.invalid().iter().filter(|_| keeps) {
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
    Ok(text)
}

/// Returns true if two bytes begin a character in more bytes than it needs.
fn is_overlong(two: &[u8]) -> bool {
    matches!(two, [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f])
}

#[cfg(test)]
mod tests;
