//! The format of values in Redis: compressed, then encrypted with a key that Redis does not have
//! and bound to the entry's name. Pure except for the random nonce.
//!
//! ```text
//! 1 format · 8 key id · 8 entry version · 8 time stored, Unix ms · 24 nonce · ciphertext
//! ```
//! The fields before the nonce are authenticated together with the name. The cipher is
//! XChaCha20-Poly1305, whose nonces are long enough to be random. The key id distinguishes a value
//! sealed with another key from a damaged one.

use super::entry::Entry;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{Read, Write};

/// The longest value stored, in bytes of JSON.
pub(crate) const MAX_VALUE_BYTES: usize = 2 << 20;

/// The version of this layout: raw DEFLATE over JSON.
const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;

/// An encryption key and its id. The id reveals nothing about the key.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey {
    key: [u8; 32],
    id: KeyId,
}

/// A key's id.
pub(super) type KeyId = [u8; KEY_ID_BYTES];

/// A decrypted value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    /// The value as JSON.
    pub(super) value: Vec<u8>,
    /// The time it was stored, in Unix milliseconds.
    pub(super) stored_at_ms: i64,
}

/// A value that cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SealError {
    /// Sealed with another key, for another version, or in another format. Valid for someone else
    /// or at another time.
    #[error("it was sealed with another key, version or format")]
    Other,
    /// Modified since it was written.
    #[error("it was modified since it was written")]
    Damaged,
    /// Too long to store.
    #[error("expected a value of at most {MAX_VALUE_BYTES} bytes")]
    TooLong,
    /// The operating system returned no random bytes.
    #[error("cannot get random bytes for a nonce")]
    Random,
}

impl SealKey {
    /// Creates a key from its bytes.
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

    /// Encrypts `value` for `entry`.
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
        let payload = Payload { msg: &compress(value)?, aad: &aad };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| SealError::TooLong)?;
        Ok([head.as_slice(), &nonce, &sealed].concat())
    }

    /// Decrypts a value that was sealed for `entry` with this key.
    pub(super) fn open(&self, entry: &Entry, stored: &[u8]) -> Result<Opened, SealError> {
        let (head, rest) = stored.split_first_chunk::<HEAD_BYTES>().ok_or(SealError::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk().ok_or(SealError::Damaged)?;
        let [claimed @ .., _, _, _, _, _, _, _, _] = *head;
        let [.., a, b, c, d, e, f, g, h] = *head;
        let stored_at_ms = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let expected = self.head(entry, stored_at_ms);
        if !expected.starts_with(&claimed) {
            return Err(SealError::Other);
        }
        let payload = Payload { msg: sealed, aad: &aad(entry, head) };
        let opened = self.cipher().decrypt(&XNonce::from(*nonce), payload);
        let value = decompress(&opened.map_err(|_| SealError::Damaged)?)?;
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

fn compress(value: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(value).and_then(|()| encoder.finish());
    written.map_err(|_| SealError::TooLong)
}

/// Decompresses a value, up to the longest that can have been stored.
fn decompress(bytes: &[u8]) -> Result<Vec<u8>, SealError> {
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
    fn a_sealed_value_opens_only_for_its_key_name_and_version() {
        let stored = sealed(b"{\"name\":\"Ada\"}");
        let opened =
            Opened { value: b"{\"name\":\"Ada\"}".into(), stored_at_ms: 1_800_000_000_123 };
        assert_eq!(key(1).open(&entry("cache:a", 7), &stored), Ok(opened));
        assert_eq!(key(2).open(&entry("cache:a", 7), &stored), Err(SealError::Other));
        assert_eq!(key(1).open(&entry("cache:a", 8), &stored), Err(SealError::Other));
        assert_eq!(key(1).open(&entry("cache:b", 7), &stored), Err(SealError::Damaged));
    }

    #[test]
    fn a_sealed_value_is_unreadable_and_shorter() {
        let value = "Ada Lovelace, Analyst. ".repeat(100);
        let stored = sealed(value.as_bytes());
        assert!(stored.len() < value.len() / 4, "{}", stored.len());
        // Long enough that random bytes won't match it.
        let name = b"Ada Lovelace";
        assert!(!stored.windows(name.len()).any(|window| window == name));
        assert_ne!(stored, sealed(value.as_bytes()), "each seal uses a new nonce");
    }

    #[test]
    fn any_modification_is_detected() {
        let stored = sealed(b"[1,2,3]");
        for at in 0..stored.len() {
            let mut changed = stored.clone();
            changed[at] ^= 1;
            assert!(key(1).open(&entry("cache:a", 7), &changed).is_err(), "byte {at}");
            assert!(key(1).open(&entry("cache:a", 7), &stored[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn values_are_limited_in_length_when_sealed_and_when_opened() {
        let long = vec![b' '; MAX_VALUE_BYTES + 1];
        let refused = key(1).seal(&entry("a", 0), &long, 0);
        assert_eq!(refused, Err(SealError::TooLong));
        assert_eq!(decompress(&compress(&long).unwrap()), Err(SealError::Damaged));
        assert_eq!(decompress(&compress(&long[1..]).unwrap()).map(|v| v.len()), Ok(2 << 20));
        assert_eq!(decompress(b"no deflate"), Err(SealError::Damaged));
    }
}
