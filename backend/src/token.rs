//! Access tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037). Pure: the time is handed in.
//!
//! Issued at log-in and refresh, verified by `crate::accounts` on every request, behind the
//! gateway or not. A signature that was found good is good: it is remembered for a while
//! (`verifier`); everything else is looked at each time.

pub(crate) mod verifier;

use crate::keys::{KeyError, KeyRing};
use crate::user::{Tier, User};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest that an access token may be good for. The gateway, which counts by it, does not ask
/// whether its session has ended.
pub const MAX_TTL_S: u32 = 86_400;
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
    /// The session it belongs to: it is good only while that lasts.
    pub sid: Uuid,
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

impl Claims {
    /// What a token issued to `user` at `now`, for one of their sessions, says.
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

/// Signs a token that says `claims`.
///
/// # Errors
/// [`KeyError::Unusable`], which [`KeyRing::new`] has ruled out.
pub fn sign(claims: &Claims, keys: &KeyRing) -> Result<String, KeyError> {
    let header = Header { kid: Some(keys.signing().kid.clone()), ..Header::new(Algorithm::EdDSA) };
    Ok(jsonwebtoken::encode(&header, claims, &keys.signing().secret)?)
}
