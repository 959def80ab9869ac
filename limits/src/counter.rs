//! A counter's stored name, `tg:{<32 hex digits>}:<bucket>`; for a tier that counts in another way
//! than its bucket, `tg:{<32 hex digits>}:<bucket>~<variant>`.
//!
//! The digits are a keyed hash (keyed by the policy's salt) of the key's parts, so Redis holds no
//! personal data. The braces put all counters of one identity in the same Redis Cluster slot.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The longest bucket name, in bytes.
const MAX_BUCKET_NAME_BYTES: usize = 64;
/// The longest name of a variant, in bytes.
const MAX_VARIANT_BYTES: usize = 64;

/// A counter's stored name, well-formed by construction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CounterName(String);

/// A malformed [`CounterName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a counter name, tg:{{<32 hex digits>}}:<bucket>, found {0:?}")]
pub struct BadCounterName(String);

impl CounterName {
    /// Creates the name of the counter of `bucket` for `identity`.
    ///
    /// # Errors
    /// [`BadCounterName`] if `bucket` is not a valid bucket name.
    pub fn new(identity: &Identity, bucket: &str) -> Result<Self, BadCounterName> {
        Self::of_variant(identity, bucket, None)
    }

    /// Creates the name of the counter of `bucket` for `identity`, for requests that the bucket
    /// counts as in `variant`.
    ///
    /// # Errors
    /// [`BadCounterName`] if `bucket` is not a valid bucket name, or `variant` is not 1 to 64
    /// letters, digits, `.`, `_`, `-` or `+`.
    pub fn of_variant(
        identity: &Identity,
        bucket: &str,
        variant: Option<&str>,
    ) -> Result<Self, BadCounterName> {
        let mut name =
            String::with_capacity(38 + bucket.len() + variant.map_or(0, |text| text.len() + 1));
        name.push_str("tg:{");
        name.push_str(hex(&identity.digits()));
        name.push_str("}:");
        name.push_str(bucket);
        if let Some(variant) = variant {
            name.push('~');
            name.push_str(variant);
        }
        let is_good = is_bucket_name(bucket) && variant.is_none_or(is_variant);
        if is_good { Ok(Self(name)) } else { Err(BadCounterName(name)) }
    }

    /// Returns the name of the bucket's own counter, if this is a variant.
    #[must_use]
    pub fn of_bucket(&self) -> Option<Self> {
        let (own, _) = self.0.split_once('~')?;
        Some(Self(own.to_owned()))
    }

    /// Returns the name as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name under which the counter's refusals or its block are stored,
    /// `tg:{<digits>}:!<bucket>`. All variants share them. It cannot collide with a counter's name,
    /// because bucket names begin with a letter.
    #[must_use]
    pub fn refusals(&self) -> String {
        format!("tg:{{{}}}:!{}", self.slot_tag(), self.bucket())
    }

    /// Returns the 32 hex digits between the braces, the part that Redis Cluster hashes.
    #[must_use]
    pub fn slot_tag(&self) -> &str {
        slot_tag_of(&self.0)
    }

    /// Returns a part of `range_ms`, always the same for this payer and spread evenly over payers.
    #[must_use]
    pub(crate) fn spread(&self, range_ms: u64) -> u64 {
        let digits = self.slot_tag().get(..8).unwrap_or_default();
        let fraction = u64::from_str_radix(digits, 16).unwrap_or_default();
        // The product fits: a range is at most an hour.
        fraction.saturating_mul(range_ms.saturating_add(1)) >> 32
    }

    /// Returns the URI that identifies the payer in problem documents: the digits of the name, which
    /// the gateway's log and the operator's tools show too.
    #[must_use]
    pub(crate) fn uri(&self) -> String {
        ["urn:tollgate:counter:", self.slot_tag()].concat()
    }

    /// Returns the bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        let name = self.0.get(38..).unwrap_or_default();
        name.split_once('~').map_or(name, |(bucket, _)| bucket)
    }
}

impl TryFrom<String> for CounterName {
    type Error = BadCounterName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let well_formed = name.strip_prefix("tg:{").is_some_and(|rest| {
            rest.split_once("}:").is_some_and(|(digits, name)| {
                let (bucket, variant) = match name.split_once('~') {
                    Some((bucket, variant)) => (bucket, Some(variant)),
                    None => (name, None),
                };
                digits.len() == 32
                    && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
                    && is_bucket_name(bucket)
                    && variant.is_none_or(is_variant)
            })
        });
        if well_formed { Ok(Self(name)) } else { Err(BadCounterName(shorten(name))) }
    }
}

impl From<CounterName> for String {
    fn from(name: CounterName) -> Self {
        name.0
    }
}

impl fmt::Display for CounterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns [`CounterName::slot_tag`] of a stored name.
#[must_use]
pub(crate) fn slot_tag_of(name: &str) -> &str {
    name.get(4..36).unwrap_or_default()
}

/// Returns true for a valid bucket name: a letter, then letters, digits, `_` or `-`; at most 64
/// bytes.
#[must_use]
pub(crate) fn is_bucket_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_BUCKET_NAME_BYTES
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_variant(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-+".contains(&b);
    (1..=MAX_VARIANT_BYTES).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// A payer as a keyed hash: the first 16 bytes of SHA-256 over length-prefixed parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 16]);

impl Identity {
    /// Hashes `parts` under `salt`. Each part is prefixed with its length, so that different lists
    /// of parts cannot run together into the same input.
    pub fn derive<'a>(salt: &'a [u8], parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(salt).chain(parts) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut first = [0; 16];
        first.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(first)
    }
}

impl Identity {
    /// Returns the 32 hex digits. Faster than sixteen `{:02x}`, and every request needs it.
    fn digits(&self) -> [u8; 32] {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        let mut digits = [0; 32];
        let (pairs, _) = digits.as_chunks_mut();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        digits
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex(&self.digits()))
    }
}

/// Returns hex digits as text.
fn hex(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

/// Truncates `text` to 128 characters, to keep error messages readable.
fn shorten(mut text: String) -> String {
    let end = text.char_indices().map(|(at, _)| at).nth(128).unwrap_or(text.len());
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_depends_on_where_its_parts_end() {
        let of = |parts: &[&[u8]]| Identity::derive(b"salt", parts.iter().copied());
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"ab"]), of(&[b"ab", b""]));
        assert_ne!(of(&[b"ab"]), Identity::derive(b"other", [b"ab".as_slice()]));
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
    }

    #[test]
    fn a_name_exposes_its_bucket_and_slot_tag() {
        let identity = Identity::derive(b"", [b"user".as_slice(), b"42"]);
        let name = CounterName::new(&identity, "ai_daily").unwrap();
        assert_eq!(name.bucket(), "ai_daily");
        assert_eq!(name.slot_tag(), identity.to_string());
        assert_eq!(CounterName::try_from(name.to_string()).unwrap(), name);
    }

    #[test]
    fn a_variant_belongs_to_its_bucket() {
        let identity = Identity::derive(b"", [b"user".as_slice(), b"42"]);
        let own = CounterName::new(&identity, "ai").unwrap();
        let variant = CounterName::of_variant(&identity, "ai", Some("day.Europe.Berlin")).unwrap();
        assert_eq!(variant.to_string(), format!("{own}~day.Europe.Berlin"));
        assert_eq!((variant.bucket(), variant.slot_tag()), ("ai", own.slot_tag()));
        assert_eq!(variant.of_bucket(), Some(own.clone()));
        assert_eq!(own.of_bucket(), None);
        assert_eq!(CounterName::try_from(variant.to_string()).unwrap(), variant);
        for bad in ["", "a b", "a~b", "a/b"] {
            assert!(CounterName::of_variant(&identity, "ai", Some(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn payers_are_spread_over_a_range() {
        let of = |name: u32| {
            let identity = Identity::derive(b"", [name.to_string().as_bytes()]);
            CounterName::new(&identity, "b").unwrap().spread(30_000)
        };
        let delays: Vec<u64> = (0..1_000).map(of).collect();
        assert!(delays.iter().all(|delay| *delay <= 30_000));
        let in_first_tenth = delays.iter().filter(|delay| **delay < 3_000).count();
        assert!((50..150).contains(&in_first_tenth), "{in_first_tenth}");
        assert_eq!(of(1), of(1));
    }

    #[test]
    fn malformed_names_are_refused() {
        let digits = "0123456789abcdef0123456789abcdef";
        for name in [
            String::new(),
            "tg:{}:a".to_owned(),
            format!("tg:{{{digits}}}:"),
            format!("tg:{{{digits}}}:1a"),
            format!("tg:{{{digits}}}:a b"),
            format!("tg:{{{}}}:a", digits.to_uppercase()),
            format!("tg:{{{digits}0}}:a"),
            format!("tg:{{{digits}}}:{}", "a".repeat(65)),
            format!("tg:{{{digits}}}:a~"),
            format!("tg:{{{digits}}}:a~b~c"),
            format!("tg:{{{digits}}}:a~{}", "b".repeat(65)),
            format!("xx:{{{digits}}}:a"),
        ] {
            assert!(CounterName::try_from(name.clone()).is_err(), "{name}");
        }
    }
}
