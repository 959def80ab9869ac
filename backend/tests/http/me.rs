//! `GET /api/me`. The backend verifies the token itself, with or without the gateway.

use super::backend::Backend;
use super::client::Reply;
use backend::keys::{KeyRing, Seed};
use backend::token::{Claims, sign};
use backend::user::Tier;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

/// A running backend with one user, and its signing key.
struct Fixture {
    backend: Backend,
    keys: KeyRing,
    user_id: Uuid,
    session_id: Uuid,
}

fn fixture() -> Fixture {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let id = |text: &str| Uuid::parse_str(text).unwrap();
    let user_id = id(user.me().json()["id"].as_str().unwrap());
    let session_id = id(&backend.texts("SELECT id FROM sessions")[0]);
    let seed = Seed::from_text(&backend.texts("SELECT seed FROM signing_keys")[0]).unwrap();
    Fixture { backend, keys: KeyRing::new(&[seed]).unwrap(), user_id, session_id }
}

impl Fixture {
    /// Returns the claims of a token issued now.
    fn claims(&self) -> Claims {
        let now_s = Timestamp::now().as_second();
        Claims {
            sub: self.user_id,
            sid: self.session_id,
            tier: Tier::Free,
            iss: "tollgate".into(),
            aud: "tollgate".into(),
            exp: now_s + 900,
            iat: now_s,
            nbf: None,
            jti: Uuid::nil(),
        }
    }

    /// Sends a token with changed claims.
    fn me_with(&self, change: impl FnOnce(&mut Claims)) -> Reply {
        let mut claims = self.claims();
        change(&mut claims);
        self.backend.me(&sign(&claims, &self.keys).unwrap())
    }
}

#[test]
fn users_see_only_themselves() {
    let backend = Backend::start();
    let ada = backend.sign_up("ada@example.org", "12345678").json();
    let eve = backend.sign_up("eve@example.org", "12345678").json();
    let reply = backend.log_in("ada@example.org", "12345678").me();
    insta::assert_snapshot!(reply.show(&["/id", "/created_at"]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "created_at": "…",
      "email": "ada@example.org",
      "id": "…",
      "tier": "free"
    }
    "#);
    assert_eq!(reply.json(), ada);
    assert_eq!(backend.log_in("eve@example.org", "12345678").me().json(), eve);
}

#[test]
fn a_missing_token_is_a_401() {
    let backend = Backend::start();
    let reply = backend.get("/api/me");
    insta::assert_snapshot!(reply.show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate"

    {
      "detail": "Expected an access token in one header, Authorization: Bearer ….",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
    let token = backend.user("ada@example.org").access;
    for value in ["", "Bearer", "Bearer ", "Basic YTpi", &token, &format!("Token {token}")] {
        let other = backend.request("GET", "/api/me").header("Authorization", value).send();
        assert_eq!(other.show(&[]), reply.show(&[]), "{value}");
    }
    let twice = backend
        .request("GET", "/api/me")
        .header("Authorization", &format!("Bearer {token}"))
        .header("Authorization", &format!("Bearer {token}"))
        .send();
    assert_eq!(twice.show(&[]), reply.show(&[]));
    assert_eq!(backend.get(&format!("/api/me?access_token={token}")).show(&[]), reply.show(&[]));
}

#[test]
fn a_token_signed_like_ours_is_accepted() {
    let fixture = fixture();
    assert_eq!(fixture.me_with(|_| ()).status, 200);
    assert_eq!(fixture.me_with(|claims| claims.nbf = Some(claims.iat)).status, 200);
}

#[test]
fn an_expired_token_is_refused() {
    let reply = fixture().me_with(|claims| claims.exp = claims.iat);
    insta::assert_snapshot!(reply.show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate", error="invalid_token"

    {
      "detail": "The token has expired: log in again.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
}

#[test]
fn a_token_from_the_future_is_refused() {
    let fixture = fixture();
    let reply = fixture.me_with(|claims| claims.iat += 300);
    insta::assert_snapshot!(reply.show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate", error="invalid_token"

    {
      "detail": "The token is dated in the future.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
    let not_before = fixture.me_with(|claims| claims.nbf = Some(claims.iat + 300));
    assert_eq!(not_before.show(&[]), reply.show(&[]));
}

#[test]
fn a_token_by_or_for_another_service_is_refused() {
    let fixture = fixture();
    let reply = fixture.me_with(|claims| claims.aud = "another".into());
    insta::assert_snapshot!(reply.show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate", error="invalid_token"

    {
      "detail": "The token was issued by or for another service.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
    let issuer = fixture.me_with(|claims| claims.iss = "another".into());
    assert_eq!(issuer.show(&[]), reply.show(&[]));
}

#[test]
fn a_token_signed_with_another_key_is_refused() {
    let fixture = fixture();
    let other_keys = KeyRing::new(&[Seed::generate().unwrap()]).unwrap();
    let token = sign(&fixture.claims(), &other_keys).unwrap();
    insta::assert_snapshot!(fixture.backend.me(&token).show(&[]), @r#"
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

    // The same, but with our key's id.
    let ours = sign(&fixture.claims(), &fixture.keys).unwrap();
    let header = ours.split('.').next().unwrap();
    let rest = token.split_once('.').unwrap().1;
    let reply = fixture.backend.me(&format!("{header}.{rest}"));
    insta::assert_snapshot!(reply.show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate", error="invalid_token"

    {
      "detail": "The token's signature does not match.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let fixture = fixture();
    let header = json!({"alg": "none", "typ": "JWT", "kid": fixture.keys.signing().kid});
    let [header, claims] = [header, serde_json::to_value(fixture.claims()).unwrap()]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let reply = fixture.backend.me(&format!("{header}.{claims}."));
    insta::assert_snapshot!(reply.show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate", error="invalid_token"

    {
      "detail": "Expected an access token signed with EdDSA that names its key.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
    for garbage in ["a.b.c", "...", "null", &"a".repeat(20_000)] {
        assert_eq!(fixture.backend.me(garbage).show(&[]), reply.show(&[]), "{garbage}");
    }
    // Values that jwt_authn does not treat as a token are not parsed as one.
    for strange in ["' OR 1=1 --", "%00"] {
        let reply = fixture.backend.me(strange).show(&[]);
        let expected = "Expected an access token in one header, Authorization: Bearer ….";
        assert!(reply.starts_with("401 ") && reply.contains(expected), "{strange}: {reply}");
    }
}

#[test]
fn a_token_of_a_deleted_user_is_refused() {
    let fixture = fixture();
    let token = sign(&fixture.claims(), &fixture.keys).unwrap();
    assert_eq!(fixture.backend.me(&token).status, 200);
    fixture.backend.execute("DELETE FROM users");
    insta::assert_snapshot!(fixture.backend.me(&token).show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate", error="invalid_token"

    {
      "detail": "The token's session has ended: log in again.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
    let unknown_user = fixture.me_with(|claims| claims.sub = Uuid::nil());
    assert_eq!(unknown_user.status, 401);
}

#[test]
fn a_token_is_valid_only_for_its_session_and_user() {
    let fixture = fixture();
    let eve = fixture.backend.user("eve@example.org").me().json();
    let eve = Uuid::parse_str(eve["id"].as_str().unwrap()).unwrap();
    assert_eq!(fixture.me_with(|claims| claims.sub = eve).status, 401);
    assert_eq!(fixture.me_with(|claims| claims.sid = Uuid::nil()).status, 401);
}
