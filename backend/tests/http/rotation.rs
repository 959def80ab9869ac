//! `tollgate-backend rotate-key` next to a running backend.

use super::backend::Backend;
use serde_json::Value;

const JWKS: &str = "/.well-known/jwks.json";

fn kids(backend: &Backend) -> Vec<String> {
    let published = backend.get(JWKS).json();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    published["keys"].as_array().unwrap().iter().map(kid).collect()
}

fn kid_of(token: &str) -> String {
    use jsonwebtoken::decode_header;
    decode_header(token).unwrap().kid.unwrap()
}

#[test]
fn a_new_key_is_published_before_it_signs() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let before = kids(&backend);
    backend.run(&["rotate-key"]);
    backend.wait_until("the new key is published", || kids(&backend).len() == 2);
    assert_eq!(kids(&backend)[..1], before);
    assert_eq!(kid_of(&user.refreshed().access), before[0], "caches may not have the new key yet");
    assert_eq!(user.me().status, 200);
}

#[test]
fn keys_replaced_immediately_are_invalid() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let before = kids(&backend);
    backend.run(&["rotate-key", "--now"]);
    backend.wait_until("the new key is published", || kids(&backend) != before);
    assert_eq!(kids(&backend).len(), 1);
    insta::assert_snapshot!(user.me().show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate", error="invalid_token"

    {
      "detail": "The token names a key that is not in use: log in again.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
    let again = user.refreshed();
    assert_eq!(kid_of(&again.access), kids(&backend)[0]);
    assert_eq!(again.me().status, 200);
}

#[test]
fn a_process_accepts_a_token_signed_with_a_key_it_has_not_seen() {
    let one = Backend::start();
    let user = one.user("ada@example.org");
    one.run(&["rotate-key", "--now"]);
    // Started after the rotation, so it signs with the new key from the start.
    let other = one.second();
    let token = other.refresh(&user.refresh);
    let token = token.json()["access_token"].as_str().unwrap().to_owned();
    one.wait_until("it loads the new key", || one.me(&token).status == 200);
}
