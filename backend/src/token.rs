//! Access tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037). Pure: callers pass in the time.
//!
//! Issued at login and refresh. `crate::accounts` verifies them on every request, behind the
//! gateway or not. `verifier` caches valid signatures; everything else is checked each time.

pub(crate) mod verifier;

use crate::keys::{KeyError, KeyRing};
use crate::user::{Tier, User};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest lifetime of an access token, in seconds. The gateway trusts a token until it
/// expires, because it cannot see the end of a session.
pub const MAX_TTL_S: u32 = 86_400;
/// The issuer, audience and lifetime of tokens.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The issuer (`iss`).
    pub issuer: String,
    /// The audience (`aud`).
    pub audience: String,
    /// The lifetime in seconds.
    pub ttl_s: u32,
}

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user's id.
    pub sub: Uuid,
    /// The session's id. The token is valid only while the session lasts.
    pub sid: Uuid,
    /// The user's plan when the token was issued. The gateway selects quotas by it.
    pub tier: Tier,
    /// The issuer.
    pub iss: String,
    /// The audience.
    pub aud: String,
    /// The expiry, in Unix seconds.
    pub exp: i64,
    /// The time of issue, in Unix seconds.
    pub iat: i64,
    /// The start of validity, in Unix seconds. Enforced if present, although our tokens never have
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The token's unique id.
    pub jti: Uuid,
}

impl Claims {
    /// Builds the claims of a token issued to `user` at `now`, for one of their sessions.
    #[must_use]
    pub fn new(user: &User, session_id: Uuid, terms: &Terms, now: Timestamp) -> Self {
        Self {
            sub: user.id,
            sid: session_id,
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

/// Signs `claims` as a token.
///
/// # Errors
/// [`KeyError::Unusable`] if the key is unusable, which [`KeyRing::new`] rules out.
pub fn sign(claims: &Claims, keys: &KeyRing) -> Result<String, KeyError> {
    let header = Header { kid: Some(keys.signing().kid.clone()), ..Header::new(Algorithm::EdDSA) };
    Ok(jsonwebtoken::encode(&header, claims, &keys.signing().secret)?)
}
