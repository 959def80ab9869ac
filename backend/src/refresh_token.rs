//! Refresh tokens: opaque, single-use, and stored only as a hash.
//!
//! Created and looked up by [`crate::accounts`]. A token is 32 random bytes, which cannot be
//! guessed, so a plain SHA-256 is a sufficient hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;

/// The number of random bytes in a token.
const BYTES: usize = 32;
/// A regular expression that every token matches. Two bits of the last character are unused.
pub(crate) const PATTERN: &str = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$";

/// A token that continues a session, once.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

/// The text is not a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a refresh token as returned by login: 43 letters, digits, - or _")]
pub struct BadRefreshToken;

impl RefreshToken {
    /// Generates a new token.
    ///
    /// # Errors
    /// Fails if the operating system returns no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Parses a token that a client sent.
    ///
    /// # Errors
    /// [`BadRefreshToken`] if `text` is not 32 bytes in base64url.
    pub fn parse(text: &str) -> Result<Self, BadRefreshToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadRefreshToken)?;
        if bytes.len() == BYTES { Ok(Self(text.to_owned())) } else { Err(BadRefreshToken) }
    }

    /// Returns the token's text. For the client only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the token's hash, which is what the database stores.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.0))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_unique_and_parse_back() {
        let (one, other) = (RefreshToken::generate().unwrap(), RefreshToken::generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(RefreshToken::parse(one.as_str()).unwrap(), one);
    }

    #[test]
    fn the_hash_and_the_debug_output_hide_the_token() {
        let token = RefreshToken::parse(&"A".repeat(43)).unwrap();
        // The output of `printf %s AAA… | sha256sum`.
        let expected = "0f007385b6f9d4b7eeb2748605afe1a984a0a3bfa3f014d09e2a784ce9e5cd1a";
        assert_eq!(token.hash(), expected);
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }

    #[test]
    fn malformed_tokens_are_rejected() {
        for text in ["", "a", &"A".repeat(42), &"A".repeat(44), &"=".repeat(43), "' OR 1=1 --"] {
            assert_eq!(RefreshToken::parse(text), Err(BadRefreshToken), "{text}");
        }
    }
}
