//! Access tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037). Pure: the time is handed in.
//!
//! Issued at log-in, verified by [`crate::accounts`] on every request, behind the gateway or not.

use crate::keys::{KeyError, KeyRing};
use crate::user::{Tier, User};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How far ahead of ours the clock of whoever issued a token may be. Nothing is allowed the other
/// way: what has expired here has expired.
const CLOCK_SKEW_S: i64 = 60;
/// The longest token looked at. Ours are under 600 bytes.
const MAX_BYTES: usize = 4096;

/// What is written into a token, and demanded of one.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Who issues (`iss`).
    pub issuer: String,
    /// Whom it is for (`aud`).
    pub audience: String,
    /// How long it is good for.
    pub ttl_s: u32,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whose it is: a user's id.
    pub sub: Uuid,
    /// Their plan when it was issued; the gateway chooses quotas by it.
    pub tier: Tier,
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// When it was issued, in Unix seconds.
    pub iat: i64,
    /// Not good before, in Unix seconds. Ours never say; if one does, it is held to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Its own name.
    pub jti: Uuid,
}

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

impl Claims {
    /// What a token issued to `user` at `now` says.
    #[must_use]
    pub fn new(user: &User, terms: &Terms, now: Timestamp) -> Self {
        Self {
            sub: user.id,
            tier: user.tier,
            iss: terms.issuer.clone(),
            aud: terms.audience.clone(),
            exp: now.as_second().saturating_add(i64::from(terms.ttl_s)),
            iat: now.as_second(),
            nbf: None,
            jti: Uuid::new_v4(),
        }
    }
}

/// Signs a token that says `claims`.
///
/// # Errors
/// [`KeyError::Unusable`], which [`KeyRing::new`] has ruled out.
pub fn sign(claims: &Claims, keys: &KeyRing) -> Result<String, KeyError> {
    let header = Header { kid: Some(keys.signing().kid.clone()), ..Header::new(Algorithm::EdDSA) };
    Ok(jsonwebtoken::encode(&header, claims, &keys.signing().secret)?)
}

/// What `token` says, if it is one of ours and its time is now.
///
/// # Errors
/// [`TokenError`] with the first thing that is wrong. Nothing of the claims is looked at before
/// the signature.
pub fn verify(
    token: &str,
    keys: &KeyRing,
    terms: &Terms,
    now: Timestamp,
) -> Result<Claims, TokenError> {
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
    check_times(&claims, now.as_second())?;
    Ok(claims)
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

fn check_times(claims: &Claims, now_s: i64) -> Result<(), TokenError> {
    let latest_start_s = now_s.saturating_add(CLOCK_SKEW_S);
    if claims.exp <= now_s {
        return Err(TokenError::Expired);
    }
    if claims.iat > latest_start_s || claims.nbf.is_some_and(|nbf| nbf > latest_start_s) {
        return Err(TokenError::NotYet);
    }
    Ok(())
}

fn reason(error: &jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::BadSignature,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => TokenError::NotForUs,
        _ => TokenError::Malformed,
    }
}
