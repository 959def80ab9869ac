//! `POST /api/auth/refresh` and `POST /api/auth/logout`.

use super::backend::Backend;
use super::user::PASSWORD;
use serde_json::json;
use std::thread;

#[test]
fn a_refresh_token_gets_the_next_tokens() {
    let backend = Backend::start();
    let first = backend.user("ada@example.org");
    let reply = backend.refresh(&first.refresh);
    insta::assert_snapshot!(reply.show(&["/access_token", "/refresh_token"]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "access_token": "…",
      "expires_in": 900,
      "refresh_token": "…",
      "token_type": "Bearer"
    }
    "#);
    let second = backend.with_tokens(&reply);
    assert_ne!(second.refresh, first.refresh);
    assert_eq!(second.me().json(), first.me().json(), "both tokens belong to one user");
    assert_eq!(second.refreshed().me().status, 200);
}

#[test]
fn reusing_a_refresh_token_ends_its_session() {
    let backend = Backend::start();
    let (stolen, elsewhere) =
        (backend.user("ada@example.org"), backend.log_in("ada@example.org", PASSWORD));
    let next = stolen.refreshed();
    let again = backend.refresh(&stolen.refresh);
    insta::assert_snapshot!(again.show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate", error="invalid_token"

    {
      "detail": "The refresh token is invalid or no longer valid: log in again.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
    assert_eq!(backend.refresh(&next.refresh).status, 401, "the newest token is invalid too");
    insta::assert_snapshot!(next.me().show(&[]), @r#"
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
    assert_eq!(elsewhere.me().status, 200, "other sessions still work");
}

#[test]
fn of_concurrent_refreshes_one_succeeds() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let statuses: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| backend.refresh(&user.refresh).status)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 7, "{statuses:?}");
    assert_eq!(user.me().status, 401, "the reuse ended the session");
}

#[test]
fn an_invalid_refresh_token_is_refused() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    assert_eq!(backend.refresh(&"A".repeat(43)).status, 401, "well-formed but unknown");
    insta::assert_snapshot!(backend.refresh(&user.access).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "expected a refresh token as returned by login: 43 letters, digits, - or _",
          "pointer": "/refresh_token"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    for text in ["", "' OR '1'='1", "\0", &"A".repeat(4096)] {
        assert_eq!(backend.refresh(text).status, 422, "{text:?}");
    }
    let extra = json!({ "refresh_token": user.refresh, "tier": "pro" }).to_string();
    assert_eq!(backend.post("/api/auth/refresh", extra).status, 422);
    assert_eq!(user.refreshed().me().status, 200, "the real token still works");
}

#[test]
fn a_refresh_token_is_not_an_access_token() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    assert_eq!(backend.me(&user.refresh).status, 401);
}

#[test]
fn only_hashes_of_refresh_tokens_are_stored() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org").refreshed();
    let stored = backend.texts("SELECT hash FROM refresh_tokens");
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|hash| hash.len() == 64), "{stored:?}");
    assert!(!stored.contains(&user.refresh));
}

#[test]
fn logout_takes_effect_at_once() {
    let backend = Backend::start();
    let (here, elsewhere) =
        (backend.user("ada@example.org"), backend.log_in("ada@example.org", PASSWORD));
    let reply = here.request("POST", "/api/auth/logout").send();
    insta::assert_snapshot!(reply.show(&[]), @"204 No Content");
    assert_eq!(here.me().status, 401);
    assert_eq!(backend.refresh(&here.refresh).status, 401);
    assert_eq!(here.request("POST", "/api/auth/logout").send().status, 401);
    assert_eq!(elsewhere.me().status, 200, "other sessions still work");
}

#[test]
fn a_session_expires() {
    let backend = Backend::start_with(&[("REFRESH_TOKEN_TTL", "1")]);
    let user = backend.user("ada@example.org");
    backend.wait_until("the session is over", || user.me().status == 401);
    assert_eq!(backend.refresh(&user.refresh).status, 401);
}
