//! Verifies tokens, and caches valid signatures: verifying one costs more than the rest of a cached
//! answer.
//!
//! The cache maps a token's SHA-256 to its claims and key. Whether the key is still in use and the
//! token is current is checked each time, and the session is checked elsewhere.

use super::{Claims, Terms};
use crate::keys::KeyRing;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The most cached tokens, at well under 1 kB each. Only valid ones are cached, so strangers cannot
/// fill it.
const MAX_REMEMBERED: u64 = 10_000;

/// The most that the issuer's clock can be ahead of ours, in seconds. Expiry gets no slack.
const CLOCK_SKEW_S: i64 = 60;
/// The longest accepted token, in bytes. Ours are under 600 bytes.
const MAX_BYTES: usize = 4096;

/// A token that was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT signed with EdDSA that names its key.
    #[error("expected an access token signed with EdDSA that names its key")]
    Malformed,
    /// Signed with a key that is unknown or no longer in use.
    #[error("the token names a key that is not in use: log in again")]
    UnknownKey,
    /// Not signed with the key it names.
    #[error("the token's signature does not match")]
    BadSignature,
    /// Issued by or for another service.
    #[error("the token was issued by or for another service")]
    NotForUs,
    /// Expired.
    #[error("the token has expired: log in again")]
    Expired,
    /// Not yet valid.
    #[error("the token is dated in the future")]
    NotYet,
}

/// A verifier of tokens with these terms.
pub(crate) struct Verifier {
    terms: Terms,
    good: Cache<[u8; 32], Arc<Signed>>,
}

impl Verifier {
    /// Creates a verifier with an empty cache.
    #[must_use]
    pub(crate) fn new(terms: Terms) -> Self {
        Self { terms, good: Cache::new(MAX_REMEMBERED) }
    }

    /// Returns the required issuer, audience and lifetime.
    #[must_use]
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Verifies `token` and returns its claims and key.
    ///
    /// # Errors
    /// [`TokenError`] for the first mistake. The signature is checked before any claim.
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

/// The claims of a token with a valid signature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The token's claims.
    pub claims: Claims,
    /// The key's id.
    pub kid: String,
}

impl Signed {
    /// Checks that the token is valid at `now`.
    ///
    /// # Errors
    /// [`TokenError::Expired`] or [`TokenError::NotYet`].
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
    // An unknown critical extension must be rejected (RFC 7515 §4.1.11). We support none.
    if header.alg != Algorithm::EdDSA || header.crit.is_some() {
        return Err(TokenError::Malformed);
    }
    let kid = header.kid.ok_or(TokenError::Malformed)?;
    let key = keys.verifying(&kid).ok_or(TokenError::UnknownKey)?;
    let decoded = jsonwebtoken::decode::<Claims>(token, &key, &validation(terms));
    let claims = decoded.map_err(|error| reason(&error))?.claims;
    Ok(Signed { claims, kid })
}

/// Returns the checks except those of times, for which the library would read its own clock.
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
