//! A user's secret: what their cached entries are sealed with and named by. Pure.
//!
//! Kept in the database by [`crate::store::user_secrets`], handed to routes in
//! [`crate::accounts::Caller`]. It goes with the account: what was sealed with it cannot be read
//! from then on, wherever a copy of it lies.

use crate::cache::seal::SealKey;
use crate::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// How long a secret is.
const BYTES: usize = 32;
/// What HMAC-SHA256 pads a shorter key to, with zeros.
const BLOCK_BYTES: usize = 64;

/// 32 random bytes of one user.
#[derive(Clone, PartialEq, Eq)]
pub struct UserSecret {
    bytes: [u8; BYTES],
    /// Derived once, and needed for each request.
    seal_key: SealKey,
}

/// Stored text that is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 bytes in base64url")]
pub struct BadSecret;

impl UserSecret {
    /// A new one.
    ///
    /// # Errors
    /// Where the operating system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self::new(bytes))
    }

    fn new(bytes: [u8; BYTES]) -> Self {
        let seal_key = SealKey::new(mac(&bytes, &[b"seal"]));
        Self { bytes, seal_key }
    }

    /// One that was stored.
    ///
    /// # Errors
    /// [`BadSecret`].
    pub fn from_text(text: &str) -> Result<Self, BadSecret> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadSecret)?;
        bytes.try_into().map(Self::new).map_err(|_| BadSecret)
    }

    /// As it is stored.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes)
    }

    /// What this user's entries are sealed with.
    #[must_use]
    pub fn seal_key(&self) -> SealKey {
        self.seal_key.clone()
    }

    /// A keyed hash of all parts, as 64 hexadecimal digits: the name of an entry that nobody can
    /// guess or recognize without the secret. Each part counts with its length, so that parts
    /// cannot be shifted into each other.
    #[must_use]
    pub fn hash(&self, parts: &[&[u8]]) -> String {
        hex::encode(self.digest(parts))
    }

    /// The same as bytes.
    #[must_use]
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let labelled: Vec<&[u8]> =
            std::iter::once(b"hash".as_slice()).chain(parts.iter().copied()).collect();
        mac(&self.bytes, &labelled)
    }
}

/// HMAC-SHA256 (RFC 2104) of the parts, each after its length in 8 bytes.
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
