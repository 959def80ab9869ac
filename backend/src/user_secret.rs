//! A user's secret, from which the names and the encryption key of their cache entries derive.
//! Pure.
//!
//! Stored by [`crate::store::user_secrets`], passed to routes in [`crate::accounts::Caller`]. It is
//! deleted with the account, which makes every copy of the user's cached data unreadable.

use crate::cache::seal::SealKey;
use crate::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// The length of a secret.
const BYTES: usize = 32;
/// The block size of HMAC-SHA256, to which a shorter key is padded with zeros.
const BLOCK_BYTES: usize = 64;

/// A user's secret of 32 random bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct UserSecret {
    bytes: [u8; BYTES],
    /// Derived once, because every request needs it.
    seal_key: SealKey,
}

/// A stored text that is not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 bytes in base64url")]
pub struct BadSecret;

impl UserSecret {
    /// Generates a new secret.
    ///
    /// # Errors
    /// Fails if the operating system returns no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self::new(bytes))
    }

    fn new(bytes: [u8; BYTES]) -> Self {
        let seal_key = SealKey::new(mac(&bytes, &[b"seal"]));
        Self { bytes, seal_key }
    }

    /// Parses a stored secret.
    ///
    /// # Errors
    /// [`BadSecret`] if `text` is not 32 bytes in base64url.
    pub fn from_text(text: &str) -> Result<Self, BadSecret> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadSecret)?;
        bytes.try_into().map(Self::new).map_err(|_| BadSecret)
    }

    /// Encodes the secret for storage.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes)
    }

    /// Returns the key that encrypts the user's cache entries.
    #[must_use]
    pub fn seal_key(&self) -> SealKey {
        self.seal_key.clone()
    }

    /// Returns a keyed hash of the parts, as 64 hexadecimal digits. It names a cache entry, and
    /// cannot be guessed or recognized without the secret. Each part is hashed with its length, so
    /// text cannot move from one part to another.
    #[must_use]
    pub fn hash(&self, parts: &[&[u8]]) -> String {
        hex::encode(self.digest(parts))
    }

    /// Returns the hash as bytes.
    #[must_use]
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let labelled: Vec<&[u8]> =
            std::iter::once(b"hash".as_slice()).chain(parts.iter().copied()).collect();
        mac(&self.bytes, &labelled)
    }
}

/// Computes HMAC-SHA256 (RFC 2104) over the parts, each after its length in 8 bytes.
fn mac(secret: &[u8; BYTES], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0; BLOCK_BYTES];
    block.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    digest::each(parts.iter().copied(), |bytes| mac.update(bytes));
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for UserSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> UserSecret {
        UserSecret::new([byte; BYTES])
    }

    #[test]
    fn a_hash_covers_every_part_and_its_length_and_the_secret() {
        let hash = secret(1).hash(&[b"ab", b"c"]);
        assert_eq!(hash.len(), 64);
        assert_eq!(hash, secret(1).hash(&[b"ab", b"c"]));
        for other in [
            secret(1).hash(&[b"a", b"bc"]),
            secret(1).hash(&[b"abc"]),
            secret(1).hash(&[b"ab", b"c", b""]),
            secret(2).hash(&[b"ab", b"c"]),
        ] {
            assert_ne!(hash, other);
        }
    }

    #[test]
    fn a_secret_survives_storing_and_is_not_shown() {
        let secret = UserSecret::generate().unwrap();
        assert_ne!(secret, UserSecret::generate().unwrap());
        assert_eq!(UserSecret::from_text(&secret.to_text()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?} {:?}", secret.seal_key()), "UserSecret(…) SealKey(…)");
        for bad in ["", "x", "AAAA"] {
            assert_eq!(UserSecret::from_text(bad), Err(BadSecret));
        }
    }
}
