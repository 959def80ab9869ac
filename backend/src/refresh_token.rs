//! Refresh tokens: opaque, good for one use, and known to the database by their hash only.
//!
//! Made and looked up by [`crate::accounts`]. They are 32 random bytes, so a plain SHA-256 is a
//! good enough hash: there is nothing to guess.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;

/// How many random bytes a token has.
const BYTES: usize = 32;
/// What the text of every token matches, as a regular expression: of the last letter, two bits are
/// none of the token's.
pub(crate) const PATTERN: &str = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$";

/// What continues a session, once.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

/// A text that no refresh token looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a refresh token as log-in answers it: 43 letters, digits, - or _")]
pub struct BadRefreshToken;

impl RefreshToken {
    /// A new one.
    ///
    /// # Errors
    /// Where the operating system has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// One as a client sends it.
    ///
    /// # Errors
    /// [`BadRefreshToken`] for what was never one.
    pub fn parse(text: &str) -> Result<Self, BadRefreshToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadRefreshToken)?;
        if bytes.len() == BYTES { Ok(Self(text.to_owned())) } else { Err(BadRefreshToken) }
    }

    /// For the client, and for nobody else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
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
    fn each_is_new_and_survives_the_way_to_the_client_and_back() {
        let (one, other) = (RefreshToken::generate().unwrap(), RefreshToken::generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(RefreshToken::parse(one.as_str()).unwrap(), one);
    }

    #[test]
    fn what_is_stored_does_not_tell_the_token() {
        let token = RefreshToken::parse(&"A".repeat(43)).unwrap();
        // As `printf %s AAA… | sha256sum` says.
        let expected = "0f007385b6f9d4b7eeb2748605afe1a984a0a3bfa3f014d09e2a784ce9e5cd1a";
        assert_eq!(token.hash(), expected);
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }

    #[test]
    fn what_was_never_one_is_refused() {
        for text in ["", "a", &"A".repeat(42), &"A".repeat(44), &"=".repeat(43), "' OR 1=1 --"] {
            assert_eq!(RefreshToken::parse(text), Err(BadRefreshToken), "{text}");
        }
    }
}
