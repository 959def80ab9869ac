//! Verifies tokens, and remembers which signatures were good: verifying one costs more than all
//! else that a cached answer takes.
//!
//! Remembered is what a key has signed, by the token's SHA-256; that the key is still in use and
//! that the time is right is looked at each time, as is the session, elsewhere.

use super::{Claims, Terms};
use crate::keys::KeyRing;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The most tokens that are remembered, at well under a kilobyte each. Only good ones are, so
/// strangers cannot fill it.
const MAX_REMEMBERED: u64 = 10_000;

/// How far ahead of ours the clock of whoever issued a token may be. Nothing is allowed the other
/// way: what has expired here has expired.
const CLOCK_SKEW_S: i64 = 60;
/// The longest token looked at. Ours are under 600 bytes.
const MAX_BYTES: usize = 4096;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT signed with EdDSA that names its key.
    #[error("expected an access token signed with EdDSA that names its key")]
    Malformed,
    /// Signed with a key that is not ours, or not any more.
    #[error("the token names a key that is not in use: log in again")]
    UnknownKey,
    /// Not signed with the key it names.
    #[error("the token's signature does not match")]
    BadSignature,
    /// Issued by or for someone else.
    #[error("the token was issued by or for another service")]
    NotForUs,
    /// Its time is over.
    #[error("the token has expired: log in again")]
    Expired,
    /// Its time has not come.
    #[error("the token is dated in the future")]
    NotYet,
}

/// What verifies tokens by these terms.
pub(crate) struct Verifier {
    terms: Terms,
    good: Cache<[u8; 32], Arc<Signed>>,
}

impl Verifier {
    /// One that has seen no token yet.
    #[must_use]
    pub(crate) fn new(terms: Terms) -> Self {
        Self { terms, good: Cache::new(MAX_REMEMBERED) }
    }

    /// What is demanded of a token.
    #[must_use]
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Returns what `token` says and which key has signed it, if it is one of ours and its time is
    /// now.
    ///
    /// # Errors
    /// [`TokenError`] with the first thing that is wrong. Nothing of the claims is looked at before
    /// the signature.
    pub(crate) fn verify(
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

/// What a key of ours has signed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// What it says.
    pub claims: Claims,
    /// Which key.
    pub kid: String,
}

impl Signed {
    /// Whether its time is now.
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::NotYet`].
    pub(crate) fn check_times(&self, now: Timestamp) -> Result<(), TokenError> {
        let (claims, now_s) = (&self.claims, now.as_second());
        let latest_start_s = now_s.saturating_add(CLOCK_SKEW_S);
        if claims.exp <= now_s {
            return Err(TokenError::Expired);
        }
        if claims.iat > latest_start_s || claims.nbf.is_some_and(|nbf| nbf > latest_start_s) {
            return Err(TokenError::NotYet);
        }
        Ok(())
    }
}

fn signed(token: &str, keys: &KeyRing, terms: &Terms) -> Result<Signed, TokenError> {
    if token.len() > MAX_BYTES {
        return Err(TokenError::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    // A critical extension must be understood or the token refused (RFC 7515 §4.1.11); we
    // understand none.
    if header.alg != Algorithm::EdDSA || header.crit.is_some() {
        return Err(TokenError::Malformed);
    }
    let kid = header.kid.ok_or(TokenError::Malformed)?;
    let key = keys.verifying(&kid).ok_or(TokenError::UnknownKey)?;
    let decoded = jsonwebtoken::decode::<Claims>(token, &key, &validation(terms));
    let claims = decoded.map_err(|error| reason(&error))?.claims;
    Ok(Signed { claims, kid })
}

/// Everything but the times, which the library would read off its own clock.
fn validation(terms: &Terms) -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[&terms.issuer]);
    validation.set_audience(&[&terms.audience]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

fn reason(error: &jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::BadSignature,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => TokenError::NotForUs,
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests;
