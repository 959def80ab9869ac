//! `POST /api/auth/password` and `DELETE /api/me`, which require the password.

use super::backend::Backend;
use super::user::PASSWORD;
use serde_json::json;

const CHANGE: &str = "/api/auth/password";

#[test]
fn changing_the_password_ends_other_sessions() {
    let backend = Backend::start();
    let here = backend.user("ada@example.org");
    let elsewhere = backend.log_in("ada@example.org", PASSWORD);
    let eve = backend.user("eve@example.org");
    let body = json!({ "current_password": PASSWORD, "new_password": "87654321" });
    insta::assert_snapshot!(here.send("POST", CHANGE, &body).show(&[]), @"204 No Content");

    let old = backend.post_credentials("/api/auth/login", "ada@example.org", PASSWORD);
    assert_eq!(old.status, 401);
    assert_eq!(backend.log_in("ada@example.org", "87654321").me().status, 200);
    assert_eq!(here.me().status, 200, "the session that changed it stays");
    assert_eq!(here.refreshed().me().status, 200);
    assert_eq!(elsewhere.me().status, 401);
    assert_eq!(backend.refresh(&elsewhere.refresh).status, 401);
    assert_eq!(eve.me().status, 200, "other users are unaffected");
    backend.log_in("eve@example.org", PASSWORD);
}

#[test]
fn changing_the_password_requires_the_current_one() {
    let backend = Backend::start();
    let ada = backend.user("ada@example.org");
    let elsewhere = backend.log_in("ada@example.org", PASSWORD);
    let body = json!({ "current_password": "87654321", "new_password": "12341234" });
    insta::assert_snapshot!(ada.send("POST", CHANGE, &body).show(&[]), @r#"
    403 Forbidden
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The current password is wrong.",
      "status": 403,
      "title": "Forbidden",
      "type": "about:blank"
    }
    "#);
    assert_eq!(elsewhere.me().status, 200, "nothing has changed");
    backend.log_in("ada@example.org", PASSWORD);
    let anonymous = backend.post(CHANGE, body.to_string());
    assert_eq!(anonymous.status, 401);
}

#[test]
fn a_new_password_must_be_valid() {
    let backend = Backend::start();
    let ada = backend.user("ada@example.org");
    let body = json!({ "current_password": PASSWORD, "new_password": "short", "email": "x" });
    insta::assert_snapshot!(ada.send("POST", CHANGE, &body).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "expected a password of 8 to 1024 bytes, found a shorter one",
          "pointer": "/new_password"
        },
        {
          "detail": "unknown member",
          "pointer": "/email"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    backend.log_in("ada@example.org", PASSWORD);
}

#[test]
fn deleting_an_account_deletes_all_its_data() {
    let backend = Backend::start();
    let (ada, eve) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    let elsewhere = backend.log_in("ada@example.org", PASSWORD);
    let body = json!({ "password": PASSWORD });
    insta::assert_snapshot!(ada.send("DELETE", "/api/me", &body).show(&[]), @"204 No Content");

    for gone in [&ada, &elsewhere] {
        assert_eq!(gone.me().status, 401);
        assert_eq!(backend.refresh(&gone.refresh).status, 401);
    }
    let login = backend.post_credentials("/api/auth/login", "ada@example.org", PASSWORD);
    assert_eq!(login.status, 401);
    assert_eq!(eve.me().status, 200);
    for sql in ["SELECT user_id FROM sessions", "SELECT id FROM users"] {
        assert_eq!(backend.texts(sql), [eve.me().json()["id"].as_str().unwrap()], "{sql}");
    }
    assert_eq!(backend.texts("SELECT hash FROM refresh_tokens").len(), 1);

    let again = backend.user("ada@example.org");
    assert_eq!(again.me().status, 200, "the address can be used for a new account");
}

#[test]
fn deleting_an_account_requires_the_password() {
    let backend = Backend::start();
    let ada = backend.user("ada@example.org");
    let wrong = ada.send("DELETE", "/api/me", &json!({ "password": "87654321" }));
    insta::assert_snapshot!(wrong.show(&[]), @r#"
    403 Forbidden
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The current password is wrong.",
      "status": 403,
      "title": "Forbidden",
      "type": "about:blank"
    }
    "#);
    assert_eq!(ada.send("DELETE", "/api/me", &json!({})).status, 422);
    assert_eq!(ada.me().status, 200);
}

/// A stolen token does not allow unlimited guesses.
#[test]
fn guesses_at_the_current_password_are_limited() {
    let backend = Backend::start();
    let ada = backend.user("ada@example.org");
    let change = |current: &str| {
        let body = json!({ "current_password": current, "new_password": "12341234" });
        ada.send("POST", CHANGE, &body)
    };
    let statuses: Vec<_> =
        (0..100).map(|_| change("87654321").status).take_while(|s| *s == 403).collect();
    assert!((10..100).contains(&statuses.len()), "{statuses:?}");
    let refused = change("87654321");
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
    assert_eq!(ada.send("DELETE", "/api/me", &json!({ "password": "87654321" })).status, 429);
    assert_eq!(ada.me().status, 200);
    assert_eq!(backend.log_in("ada@example.org", PASSWORD).me().status, 200, "logins still work");
    backend.execute("DELETE FROM password_tries");
    assert_eq!(change(PASSWORD).status, 204);
}
