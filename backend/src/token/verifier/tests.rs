//! Tests of token verification, with and without a cached signature.

use super::super::sign;
use super::*;
use crate::keys::Seed;
use crate::user::{Tier, User};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use resume::email::Email;
use serde_json::{Value, json};
use uuid::Uuid;

const NOW_S: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW_S).unwrap()
}

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(NOW_S + s).unwrap()
}

fn issued(keys: &KeyRing) -> String {
    sign(&claims(), keys).unwrap()
}

/// Verifies a token with an empty cache.
fn verify(
    token: &str,
    keys: &KeyRing,
    terms: &Terms,
    now: Timestamp,
) -> Result<Claims, TokenError> {
    Verifier::new(terms.clone()).verify(token.as_bytes(), keys, now).map(|good| good.claims.clone())
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

/// Builds a token with any header and claims, signed with the ring's key.
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
fn a_token_names_its_user_plan_and_expiry() {
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
fn each_token_has_a_unique_id() {
    assert_ne!(claims().jti, claims().jti);
}

#[test]
fn a_token_is_valid_between_its_issue_and_expiry() {
    let keys = keys();
    let token = sign(&claims(), &keys).unwrap();
    let at = |s| verify(&token, &keys, &terms(), Timestamp::from_second(NOW_S + s).unwrap());
    assert_eq!(at(-61).unwrap_err(), TokenError::NotYet);
    assert!(at(-60).is_ok());
    assert!(at(899).is_ok());
    assert_eq!(at(900).unwrap_err(), TokenError::Expired);
}

/// Merges `change` into valid claims. `null` removes a claim.
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
fn claims_must_match_the_terms() {
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
fn the_header_cannot_choose_the_algorithm_or_key() {
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
fn an_embedded_key_is_ignored() {
    let (ours, theirs) = (keys(), keys());
    let jwk = serde_json::to_value(theirs.published().keys.first()).unwrap();
    let header = json!({"alg": "EdDSA", "kid": ours.signing().kid, "jwk": jwk});
    let token = token(&theirs, &header, &serde_json::to_value(claims()).unwrap());
    let found = verify(&token, &ours, &terms(), now());
    assert_eq!(found.unwrap_err(), TokenError::BadSignature);
}

#[test]
fn the_public_key_is_not_accepted_as_a_shared_secret() {
    let keys = keys();
    let public = serde_json::to_value(keys.published().keys.first()).unwrap();
    let secret = URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap()).unwrap();
    let header = Header { kid: Some(keys.signing().kid.clone()), ..Header::new(Algorithm::HS256) };
    let token =
        jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
    assert_eq!(verify(&token, &keys, &terms(), now()).unwrap_err(), TokenError::Malformed);
}

#[test]
fn a_modified_token_is_rejected() {
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

#[test]
fn a_cached_token_still_needs_a_current_time_and_key() {
    let (verifier, keys, others) = (Verifier::new(terms()), keys(), keys());
    let token = issued(&keys);
    let first = verifier.verify(token.as_bytes(), &keys, at(0)).unwrap();
    assert_eq!(verifier.verify(token.as_bytes(), &keys, at(899)), Ok(first));
    assert_eq!(verifier.verify(token.as_bytes(), &keys, at(900)), Err(TokenError::Expired));
    assert_eq!(verifier.verify(token.as_bytes(), &keys, at(-61)), Err(TokenError::NotYet));
    assert_eq!(verifier.verify(token.as_bytes(), &others, at(0)), Err(TokenError::UnknownKey));
}

#[test]
fn only_valid_tokens_are_cached() {
    let (verifier, keys) = (Verifier::new(terms()), keys());
    let token = issued(&keys);
    let (message, _) = token.rsplit_once('.').unwrap();
    let another = issued(&keys);
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
