//! A value as it lies in Redis: compressed, then encrypted under a key that Redis does not have,
//! bound to its entry's name. Pure but for the nonce.
//!
//! ```text
//! 1 format · 8 key's id · 8 entry's version · 8 when it was stored, Unix ms · 24 nonce · sealed
//! ```
//! All but the nonce and the sealed part are authenticated with the name (XChaCha20-Poly1305, whose
//! nonces can be random). The key's id tells somebody else's value from a damaged one.

use super::entry::Entry;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{Read, Write};

/// The longest value that is stored, in bytes of JSON.
pub(crate) const MAX_VALUE_BYTES: usize = 2 << 20;

/// The layout above, raw DEFLATE, and JSON within.
const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;

/// A key, and the id by which it is told from others. The id tells nothing of the key.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey {
    key: [u8; 32],
    id: KeyId,
}

/// Tells keys apart.
pub(super) type KeyId = [u8; KEY_ID_BYTES];

/// A value that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    /// JSON.
    pub(super) value: Vec<u8>,
    /// When it was stored, in Unix milliseconds.
    pub(super) stored_at_ms: i64,
}

/// Why there is no value in what was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SealError {
    /// Sealed with another key, for another version of the entry, or in another format: right for
    /// someone, or once.
    #[error("it is of another key, version or format")]
    Other,
    /// Not what was written.
    #[error("it is not what was written")]
    Damaged,
    /// Too long to be stored.
    #[error("expected a value of at most {MAX_VALUE_BYTES} bytes")]
    TooLong,
    /// The operating system gave no randomness.
    #[error("no random bytes for a nonce")]
    Random,
}

impl SealKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        let hash = Sha256::new().chain_update(b"key id").chain_update(key).finalize();
        let mut id = KeyId::default();
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self { key, id }
    }

    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    /// Seals `value` for `entry`.
    pub(super) fn seal(
        &self,
        entry: &Entry,
        value: &[u8],
        stored_at_ms: i64,
    ) -> Result<Vec<u8>, SealError> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(SealError::TooLong);
        }
        let head = self.head(entry, stored_at_ms);
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
        let aad = aad(entry, &head);
        let payload = Payload { msg: &compressed(value)?, aad: &aad };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| SealError::TooLong)?;
        Ok([head.as_slice(), &nonce, &sealed].concat())
    }

    /// What was sealed for `entry` with this key.
    pub(super) fn open(&self, entry: &Entry, stored: &[u8]) -> Result<Opened, SealError> {
        let (head, rest) = stored.split_first_chunk::<HEAD_BYTES>().ok_or(SealError::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk().ok_or(SealError::Damaged)?;
        let [told @ .., _, _, _, _, _, _, _, _] = *head;
        let [.., a, b, c, d, e, f, g, h] = *head;
        let stored_at_ms = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let expected = self.head(entry, stored_at_ms);
        if !expected.starts_with(&told) {
            return Err(SealError::Other);
        }
        let payload = Payload { msg: sealed, aad: &aad(entry, head) };
        let opened = self.cipher().decrypt(&XNonce::from(*nonce), payload);
        let value = decompressed(&opened.map_err(|_| SealError::Damaged)?)?;
        Ok(Opened { value, stored_at_ms })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.key))
    }

    fn head(&self, entry: &Entry, stored_at_ms: i64) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        let [format, rest @ ..] = &mut head;
        *format = FORMAT;
        let parts = self.id.into_iter().chain(entry.version.to_be_bytes());
        let parts = parts.chain(stored_at_ms.to_be_bytes());
        rest.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        head
    }
}

const HEAD_BYTES: usize = 1 + KEY_ID_BYTES + 8 + 8;

fn aad(entry: &Entry, head: &[u8; HEAD_BYTES]) -> Vec<u8> {
    [head.as_slice(), entry.name.as_bytes()].concat()
}

fn compressed(value: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(value).and_then(|()| encoder.finish());
    written.map_err(|_| SealError::TooLong)
}

/// No more than may have been stored, whatever it claims to be.
fn decompressed(bytes: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut value = Vec::new();
    let limit = MAX_VALUE_BYTES as u64 + 1;
    let read = DeflateDecoder::new(bytes).take(limit).read_to_end(&mut value);
    let length = read.map_err(|_| SealError::Damaged)?;
    if length > MAX_VALUE_BYTES { Err(SealError::Damaged) } else { Ok(value) }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Kind;
    use std::time::Duration;

    fn entry(name: &str, version: u64) -> Entry {
        Entry { name: name.to_owned(), ttl: Duration::from_secs(60), kind: Kind::Resume, version }
    }

    fn key(byte: u8) -> SealKey {
        SealKey::new([byte; 32])
    }

    fn sealed(value: &[u8]) -> Vec<u8> {
        key(1).seal(&entry("cache:a", 7), value, 1_800_000_000_123).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_for_its_name_and_version_with_its_key() {
        let stored = sealed(b"{\"name\":\"Ada\"}");
        let opened =
            Opened { value: b"{\"name\":\"Ada\"}".into(), stored_at_ms: 1_800_000_000_123 };
        assert_eq!(key(1).open(&entry("cache:a", 7), &stored), Ok(opened));
        assert_eq!(key(2).open(&entry("cache:a", 7), &stored), Err(SealError::Other));
        assert_eq!(key(1).open(&entry("cache:a", 8), &stored), Err(SealError::Other));
        assert_eq!(key(1).open(&entry("cache:b", 7), &stored), Err(SealError::Damaged));
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_is_shorter() {
        let value = "Ada Lovelace, Analyst. ".repeat(100);
        let stored = sealed(value.as_bytes());
        assert!(stored.len() < value.len() / 4, "{}", stored.len());
        // Long enough that random bytes do not spell it.
        let name = b"Ada Lovelace";
        assert!(!stored.windows(name.len()).any(|window| window == name));
        assert_ne!(stored, sealed(value.as_bytes()), "each time with another nonce");
    }

    #[test]
    fn whatever_is_changed_is_noticed() {
        let stored = sealed(b"[1,2,3]");
        for at in 0..stored.len() {
            let mut changed = stored.clone();
            changed[at] ^= 1;
            assert!(key(1).open(&entry("cache:a", 7), &changed).is_err(), "byte {at}");
            assert!(key(1).open(&entry("cache:a", 7), &stored[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_value_is_bounded_sealed_and_opened() {
        let long = vec![b' '; MAX_VALUE_BYTES + 1];
        let refused = key(1).seal(&entry("a", 0), &long, 0);
        assert_eq!(refused, Err(SealError::TooLong));
        assert_eq!(decompressed(&compressed(&long).unwrap()), Err(SealError::Damaged));
        assert_eq!(decompressed(&compressed(&long[1..]).unwrap()).map(|v| v.len()), Ok(2 << 20));
        assert_eq!(decompressed(b"no deflate"), Err(SealError::Damaged));
    }
}
