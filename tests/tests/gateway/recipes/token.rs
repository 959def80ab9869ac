//! Tokens that jwt_authn verifies.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

const SECRET: &[u8; 32] = b"a secret that only the tests use";

/// Returns the JWKS with the key of [`sign`].
pub(super) fn jwks() -> String {
    let key = json!({ "kty": "oct", "alg": "HS256", "kid": "test", "k": encoded(SECRET) });
    json!({ "keys": [key] }).to_string()
}

/// Returns a signed token with these claims.
pub(super) fn sign(claims: &Map<String, Value>) -> String {
    let head = encoded(json!({ "alg": "HS256", "kid": "test" }).to_string().as_bytes());
    let body = encoded(Value::Object(claims.clone()).to_string().as_bytes());
    let signed = format!("{head}.{body}");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("any length is accepted");
    mac.update(signed.as_bytes());
    let signature = encoded(&mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
