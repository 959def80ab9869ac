//! Access tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037). Pure: the time is handed in.
//!
//! Issued at log-in and refresh, verified by [`crate::accounts`] on every request, behind the
//! gateway or not. A signature that was found good is good: it is remembered for a while
//! (`verifier`); everything else is looked at each time.

mod verifier;

pub use verifier::Verifier;

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
    let signed = signed(token, keys, terms)?;
    signed.check_times(now)?;
    Ok(signed.claims)
}

/// What a key of ours has signed.
#[derive(Debug, PartialEq, Eq)]
pub struct Signed {
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
    pub fn check_times(&self, now: Timestamp) -> Result<(), TokenError> {
        check_times(&self.claims, now.as_second())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Seed;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::EncodingKey;
    use resume::email::Email;
    use serde_json::{Value, json};

    const NOW_S: i64 = 1_800_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW_S).unwrap()
    }

    fn keys() -> KeyRing {
        KeyRing::new(&[Seed::generate().unwrap()]).unwrap()
    }

    fn terms() -> Terms {
        Terms { issuer: "tollgate".into(), audience: "api".into(), ttl_s: 900 }
    }

    fn user() -> User {
        User {
            id: Uuid::from_u128(7),
            email: Email::parse("ada@example.org").unwrap(),
            tier: Tier::Starter,
            created_at: now(),
        }
    }

    fn claims() -> Claims {
        Claims::new(&user(), Uuid::from_u128(8), &terms(), now())
    }

    fn part(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    /// A token with any header and claims, signed with the ring's key.
    fn token(keys: &KeyRing, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let secret = &keys.signing().secret;
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), secret, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn good_header(keys: &KeyRing) -> Value {
        json!({"alg": "EdDSA", "typ": "JWT", "kid": keys.signing().kid})
    }

    #[test]
    fn a_token_says_who_and_what_plan_and_for_how_long() {
        let keys = keys();
        let claims = claims();
        let found = verify(&sign(&claims, &keys).unwrap(), &keys, &terms(), now()).unwrap();
        assert_eq!(found, claims);
        let shown = serde_json::to_string_pretty(&Claims { jti: Uuid::nil(), ..found }).unwrap();
        insta::assert_snapshot!(shown, @r#"
        {
          "sub": "00000000-0000-0000-0000-000000000007",
          "sid": "00000000-0000-0000-0000-000000000008",
          "tier": "starter",
          "iss": "tollgate",
          "aud": "api",
          "exp": 1800000900,
          "iat": 1800000000,
          "jti": "00000000-0000-0000-0000-000000000000"
        }
        "#);
    }

    #[test]
    fn keys_can_be_rotated() {
        let seeds = [Seed::generate().unwrap(), Seed::generate().unwrap()];
        let [before, during, after] =
            [&seeds[..1], &seeds, &seeds[1..]].map(|seeds| KeyRing::new(seeds).unwrap());
        let old = sign(&claims(), &before).unwrap();
        let new = sign(&claims(), &during).unwrap();
        let check = |token: &str, keys, expected| {
            assert_eq!(verify(token, keys, &terms(), now()).map(|_| ()), expected);
        };
        check(&old, &during, Ok(()));
        check(&new, &during, Ok(()));
        check(&new, &after, Ok(()));
        check(&old, &after, Err(TokenError::UnknownKey));
        check(&new, &before, Err(TokenError::UnknownKey));
    }

    #[test]
    fn each_token_has_its_own_name() {
        assert_ne!(claims().jti, claims().jti);
    }

    #[test]
    fn a_token_is_good_from_its_first_second_to_before_its_last() {
        let keys = keys();
        let token = sign(&claims(), &keys).unwrap();
        let at = |s| verify(&token, &keys, &terms(), Timestamp::from_second(NOW_S + s).unwrap());
        assert_eq!(at(-61).unwrap_err(), TokenError::NotYet);
        assert!(at(-60).is_ok());
        assert!(at(899).is_ok());
        assert_eq!(at(900).unwrap_err(), TokenError::Expired);
    }

    /// `change` is merged into good claims; `null` takes a claim away.
    fn check_claims(change: &Value, expected: Result<(), TokenError>) {
        let keys = keys();
        let mut claims = serde_json::to_value(claims()).unwrap();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let token = token(&keys, &good_header(&keys), &claims);
        let found = verify(&token, &keys, &terms(), now()).map(|_| ());
        assert_eq!(found, expected, "{change}");
    }

    #[test]
    fn claims_are_held_to_the_terms() {
        let malformed = Err(TokenError::Malformed);
        check_claims(&json!({}), Ok(()));
        check_claims(&json!({"unknown": 1}), Ok(()));
        check_claims(&json!({"iss": "other"}), Err(TokenError::NotForUs));
        check_claims(&json!({"aud": "other"}), Err(TokenError::NotForUs));
        check_claims(&json!({"aud": ["api"]}), malformed);
        check_claims(&json!({"exp": NOW_S}), Err(TokenError::Expired));
        check_claims(&json!({"exp": 0}), Err(TokenError::Expired));
        check_claims(&json!({"exp": -1}), malformed);
        check_claims(&json!({"exp": 1e300}), malformed);
        check_claims(&json!({"exp": (NOW_S + 60).to_string()}), malformed);
        check_claims(&json!({"iat": NOW_S + 61}), Err(TokenError::NotYet));
        check_claims(&json!({"nbf": NOW_S + 60}), Ok(()));
        check_claims(&json!({"nbf": NOW_S + 61}), Err(TokenError::NotYet));
        check_claims(&json!({"nbf": i64::MAX}), Err(TokenError::NotYet));
        check_claims(&json!({"sub": "not a uuid"}), malformed);
        check_claims(&json!({"tier": "platinum"}), malformed);
        for name in ["sub", "sid", "tier", "iss", "aud", "exp", "iat", "jti"] {
            check_claims(&json!({ name: null }), malformed);
        }
    }

    fn check_header(change: &Value, expected: Result<(), TokenError>) {
        let keys = keys();
        let mut header = good_header(&keys);
        for (name, value) in change.as_object().unwrap() {
            header[name] = value.clone();
        }
        header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let token = token(&keys, &header, &serde_json::to_value(claims()).unwrap());
        let found = verify(&token, &keys, &terms(), now()).map(|_| ());
        assert_eq!(found, expected, "{change}");
    }

    #[test]
    fn the_header_chooses_neither_algorithm_nor_key() {
        let malformed = Err(TokenError::Malformed);
        check_header(&json!({}), Ok(()));
        check_header(&json!({"alg": "none"}), malformed);
        check_header(&json!({"alg": "HS256"}), malformed);
        check_header(&json!({"alg": "ES256"}), malformed);
        check_header(&json!({"alg": null}), malformed);
        check_header(&json!({"kid": null}), malformed);
        check_header(&json!({"kid": 1}), malformed);
        check_header(&json!({"kid": "other"}), Err(TokenError::UnknownKey));
        check_header(&json!({"kid": "' OR 1=1 --"}), Err(TokenError::UnknownKey));
        check_header(&json!({"crit": ["exp"]}), malformed);
        let theirs = serde_json::to_value(keys().published().keys.first()).unwrap();
        check_header(&json!({"jwk": theirs}), Ok(()));
        check_header(&json!({"jku": "https://evil.example/jwks.json"}), Ok(()));
    }

    #[test]
    fn a_key_embedded_in_the_header_verifies_nothing() {
        let (ours, theirs) = (keys(), keys());
        let jwk = serde_json::to_value(theirs.published().keys.first()).unwrap();
        let header = json!({"alg": "EdDSA", "kid": ours.signing().kid, "jwk": jwk});
        let token = token(&theirs, &header, &serde_json::to_value(claims()).unwrap());
        let found = verify(&token, &ours, &terms(), now());
        assert_eq!(found.unwrap_err(), TokenError::BadSignature);
    }

    #[test]
    fn the_public_key_is_no_shared_secret() {
        let keys = keys();
        let public = serde_json::to_value(keys.published().keys.first()).unwrap();
        let secret = URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap()).unwrap();
        let header =
            Header { kid: Some(keys.signing().kid.clone()), ..Header::new(Algorithm::HS256) };
        let token =
            jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(verify(&token, &keys, &terms(), now()).unwrap_err(), TokenError::Malformed);
    }

    #[test]
    fn a_changed_token_is_refused() {
        let keys = keys();
        let token = sign(&claims(), &keys).unwrap();
        let [header, payload, signature]: [&str; 3] =
            token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let mut better = serde_json::to_value(claims()).unwrap();
        better["tier"] = "pro".into();
        let check = |token: &str, expected| {
            assert_eq!(verify(token, &keys, &terms(), now()).unwrap_err(), expected, "{token}");
        };
        check(&format!("{header}.{}.{signature}", part(&better)), TokenError::BadSignature);
        check(&format!("{header}.{payload}."), TokenError::BadSignature);
        check(&format!("{header}.{payload}.{payload}"), TokenError::BadSignature);
        check(&format!("{header}.{payload}"), TokenError::Malformed);
        check(&format!("{header}.{payload}.{signature}.x"), TokenError::Malformed);
        check(&format!("{header}.{payload}.{signature}="), TokenError::Malformed);
        for garbage in ["", ".", "..", "...", "a.b.c", "{}", "\0", "é.é.é", &"a".repeat(5000)] {
            check(garbage, TokenError::Malformed);
        }
    }
}
