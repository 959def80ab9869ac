//! Verifies tokens, and remembers which signatures were good: verifying one costs more than all
//! else that a cached answer takes.
//!
//! Remembered is what a key has signed, by the token's SHA-256; that the key is still in use and
//! that the time is right is looked at each time, as is the session, elsewhere.

use super::{Signed, Terms, TokenError, signed};
use crate::keys::KeyRing;
use jiff::Timestamp;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The most tokens that are remembered, at well under a kilobyte each. Only good ones are, so
/// strangers cannot fill it.
const MAX_REMEMBERED: u64 = 10_000;

/// What verifies tokens by these terms.
pub struct Verifier {
    terms: Terms,
    good: Cache<[u8; 32], Arc<Signed>>,
}

impl Verifier {
    /// One that has seen no token yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, good: Cache::new(MAX_REMEMBERED) }
    }

    /// What is demanded of a token.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// As [`super::verify`]; also which key has signed it.
    ///
    /// # Errors
    /// As [`super::verify`].
    pub fn verify(
        &self,
        token: &[u8],
        keys: &KeyRing,
        now: Timestamp,
    ) -> Result<Arc<Signed>, TokenError> {
        let hash = Sha256::digest(token).into();
        let known = self.good.get(&hash).filter(|signed| keys.has(&signed.kid));
        let good = match known {
            Some(good) => good,
            None => {
                let token = str::from_utf8(token).map_err(|_| TokenError::Malformed)?;
                let good = Arc::new(signed(token, keys, &self.terms)?);
                self.good.insert(hash, Arc::clone(&good));
                good
            }
        };
        good.check_times(now)?;
        Ok(good)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Claims, sign};
    use super::*;
    use crate::keys::Seed;
    use crate::user::{Tier, User};
    use resume::email::Email;
    use uuid::Uuid;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + s).unwrap()
    }

    fn terms() -> Terms {
        Terms { issuer: "tollgate".into(), audience: "api".into(), ttl_s: 900 }
    }

    fn keys() -> KeyRing {
        KeyRing::new(&[Seed::generate().unwrap()]).unwrap()
    }

    fn token(keys: &KeyRing) -> String {
        let user = User {
            id: Uuid::from_u128(7),
            email: Email::parse("ada@example.org").unwrap(),
            tier: Tier::Free,
            created_at: at(0),
        };
        sign(&Claims::new(&user, Uuid::from_u128(8), &terms(), at(0)), keys).unwrap()
    }

    #[test]
    fn a_token_that_was_good_is_held_to_its_times_and_its_key_all_the_same() {
        let (verifier, keys, others) = (Verifier::new(terms()), keys(), keys());
        let token = token(&keys);
        let first = verifier.verify(token.as_bytes(), &keys, at(0)).unwrap();
        assert_eq!(verifier.verify(token.as_bytes(), &keys, at(899)), Ok(first));
        assert_eq!(verifier.verify(token.as_bytes(), &keys, at(900)), Err(TokenError::Expired));
        assert_eq!(verifier.verify(token.as_bytes(), &keys, at(-61)), Err(TokenError::NotYet));
        assert_eq!(verifier.verify(token.as_bytes(), &others, at(0)), Err(TokenError::UnknownKey));
    }

    #[test]
    fn only_the_very_token_that_was_good_is_remembered() {
        let (verifier, keys) = (Verifier::new(terms()), keys());
        let token = token(&keys);
        let (message, _) = token.rsplit_once('.').unwrap();
        let another = self::token(&keys);
        let (_, signature) = another.rsplit_once('.').unwrap();
        let forged = format!("{message}.{signature}");
        for _twice in 0..2 {
            let refused = verifier.verify(forged.as_bytes(), &keys, at(0));
            assert_eq!(refused, Err(TokenError::BadSignature));
        }
        assert_eq!(verifier.good.iter().count(), 0);
        verifier.verify(token.as_bytes(), &keys, at(0)).unwrap();
        assert_eq!(verifier.good.iter().count(), 1);
        assert_eq!(verifier.verify(forged.as_bytes(), &keys, at(0)), Err(TokenError::BadSignature));
    }
}
