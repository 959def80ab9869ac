//! `POST /api/auth/signup`.

use super::backend::Backend;
use serde_json::json;
use std::thread;

const SIGN_UP: &str = "/api/auth/signup";

#[test]
fn a_new_user_is_created_on_the_free_plan() {
    let reply = Backend::start().sign_up(" Ada@Example.ORG ", "12345678");
    insta::assert_snapshot!(reply.show(&["/id", "/created_at"]), @r#"
    201 Created
    content-type: application/json
    cache-control: no-store

    {
      "created_at": "…",
      "email": "ada@example.org",
      "id": "…",
      "tier": "free"
    }
    "#);
    let user = reply.json();
    assert!(uuid::Uuid::parse_str(user["id"].as_str().unwrap()).is_ok());
    assert!(user["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
}

#[test]
fn e_mail_addresses_are_case_insensitive() {
    let backend = Backend::start();
    backend.sign_up("ada@example.org", "12345678");
    let reply = backend.post_credentials(SIGN_UP, "ADA@example.org", "87654321");
    insta::assert_snapshot!(reply.show(&[]), @r#"
    409 Conflict
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "An account with this e-mail address already exists.",
      "status": 409,
      "title": "Conflict",
      "type": "about:blank"
    }
    "#);
    backend.log_in("ada@example.org", "12345678");
}

#[test]
fn of_concurrent_sign_ups_one_gets_the_address() {
    let backend = Backend::start();
    let mut statuses: Vec<_> = thread::scope(|scope| {
        let sign_up = || backend.post_credentials(SIGN_UP, "ada@example.org", "12345678").status;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(sign_up)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[test]
fn an_invalid_address_and_password_are_reported_together() {
    let reply = Backend::start().post_credentials(SIGN_UP, "not an address", "1234567");
    insta::assert_snapshot!(reply.show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "expected an e-mail address like ada@example.org, in ASCII, at most 254 bytes",
          "pointer": "/email"
        },
        {
          "detail": "expected a password of 8 to 1024 bytes, found a shorter one",
          "pointer": "/password"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}

#[test]
fn refused_credentials_are_not_stored() {
    let backend = Backend::start();
    let long = "a".repeat(1025);
    for (email, password) in [
        ("ada@example.org", "1234567"),
        ("ada@example.org", ""),
        ("ada@example.org", &long),
        ("ada@example.org\0", "12345678"),
        ("ada\u{0}@example.org", "12345678"),
        ("", "12345678"),
        ("ada", "12345678"),
        (&format!("{long}@example.org"), "12345678"),
        ("ada@example.org\r\nBcc: eve@example.org", "12345678"),
    ] {
        let status = backend.post_credentials(SIGN_UP, email, password).status;
        assert_eq!(status, 422, "{email:?} {password:?}");
    }
    backend.sign_up("ada@example.org", "12345678");
}

#[test]
fn metacharacters_are_ordinary_characters() {
    let backend = Backend::start();
    let password = "'; DROP TABLE users; --\0\u{7f}\u{202e}\"\\$1?%s{{}}";
    for email in ["o'brien@example.org", "a'or'1'='1@example.org", "$1?%_*{}|`@example.org"] {
        let user = backend.sign_up(email, password).json();
        assert_eq!(user["email"], email);
        assert_eq!(backend.log_in(email, password).me().json(), user);
        let other = backend.post_credentials("/api/auth/login", email, "' OR '1'='1");
        assert_eq!(other.status, 401);
    }
}

#[test]
fn the_longest_password_is_used_completely() {
    let backend = Backend::start();
    let (password, shorter) = ("é".repeat(512), "é".repeat(511));
    backend.sign_up("ada@example.org", &password);
    backend.log_in("ada@example.org", &password);
    let shorter = backend.post_credentials("/api/auth/login", "ada@example.org", &shorter);
    assert_eq!(shorter.status, 401);
}

#[test]
fn plan_and_id_cannot_be_chosen() {
    let backend = Backend::start();
    let body = json!({
        "email": "ada@example.org", "password": "12345678", "tier": "pro", "id": "1",
    });
    let reply = backend.post(SIGN_UP, body.to_string());
    insta::assert_snapshot!(reply.show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "unknown member",
          "pointer": "/id"
        },
        {
          "detail": "unknown member",
          "pointer": "/tier"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}
