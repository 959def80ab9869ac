//! Spellings of a path that servers read in different ways, and whether they are accepted. Used in
//! both the document and the policy.

use crate::path::spelling::{Oddities, Reading, Slash, Undecodable};
use serde::Deserialize;

/// The treatment of paths with an escaped slash or backslash (`%2F`, `%5C`). It must be what the
/// upstream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EncodedSlash {
    /// They are answered with 400.
    #[default]
    Reject,
    /// The escaped slash is part of a segment's name, as in npm's `/@scope%2fname`.
    Keep,
    /// The escaped slash separates segments, like a plain one.
    Decode,
}

/// The treatment of paths with bytes that are not UTF-8 once unescaped, or with a `%` that is not
/// followed by two hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnUndecodable {
    /// They are answered with 400.
    #[default]
    Reject,
    /// These bytes are part of a segment's name.
    Keep,
}

/// The accepted spellings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spelling {
    /// Escaped slashes.
    pub encoded_slash: EncodedSlash,
    /// Undecodable bytes.
    pub undecodable: OnUndecodable,
}

impl Spelling {
    /// Returns a rule's settings, which default to these.
    pub(super) fn with(
        self,
        encoded_slash: Option<EncodedSlash>,
        undecodable: Option<OnUndecodable>,
    ) -> Self {
        Self {
            encoded_slash: encoded_slash.unwrap_or(self.encoded_slash),
            undecodable: undecodable.unwrap_or(self.undecodable),
        }
    }

    /// Returns the way to read a path with these oddities; `None` to reject it.
    pub(crate) fn reading(self, oddities: Oddities) -> Option<Reading> {
        let slash = match self.encoded_slash {
            EncodedSlash::Reject if oddities.slash => return None,
            EncodedSlash::Decode if oddities.slash => Slash::Decoded,
            _ => Slash::Kept,
        };
        let is_kept = !oddities.undecodable || self.undecodable == OnUndecodable::Keep;
        is_kept.then_some(Reading { slash, undecodable: Undecodable::Kept })
    }
}
