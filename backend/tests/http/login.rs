//! `POST /api/auth/login` and the returned tokens.

use super::backend::Backend;
use super::client::{Reply, sorted};
use super::user::PASSWORD;
use backend::clock;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::thread;

const LOG_IN: &str = "/api/auth/login";

#[test]
fn the_right_password_gets_a_token() {
    let backend = Backend::start_with(&[("ACCESS_TOKEN_TTL", "60")]);
    backend.sign_up("ada@example.org", "12345678");
    let reply = backend.post_credentials(LOG_IN, "Ada@Example.org", "12345678");
    insta::assert_snapshot!(reply.show(&["/access_token", "/refresh_token"]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "access_token": "…",
      "expires_in": 60,
      "refresh_token": "…",
      "token_type": "Bearer"
    }
    "#);
}

#[test]
fn the_token_has_the_claims_the_gateway_needs() {
    let backend = Backend::start_with(&[
        ("JWT_ISSUER", "https://issuer.example"),
        ("JWT_AUDIENCE", "resumes"),
        ("ACCESS_TOKEN_TTL", "60"),
    ]);
    let user = backend.sign_up("ada@example.org", "12345678").json();
    let token = backend.log_in("ada@example.org", "12345678").access;
    let [mut header, mut claims] = [0, 1].map(|at| {
        let part = token.split('.').nth(at).unwrap();
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    });
    let published = backend.get("/.well-known/jwks.json").json();
    assert_eq!(header["kid"], published["keys"][0]["kid"]);
    assert_eq!(claims["sub"], user["id"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    assert!(uuid::Uuid::parse_str(claims["sid"].as_str().unwrap()).is_ok());
    assert!(uuid::Uuid::parse_str(claims["jti"].as_str().unwrap()).is_ok());
    header["kid"] = "…".into();
    for volatile in ["sub", "sid", "exp", "iat", "jti"] {
        claims[volatile] = "…".into();
    }
    insta::assert_snapshot!(format!("{}\n{}", sorted(&header), sorted(&claims)), @r#"
    {"alg":"EdDSA","kid":"…","typ":"JWT"}
    {"aud":"resumes","exp":"…","iat":"…","iss":"https://issuer.example","jti":"…","sid":"…","sub":"…","tier":"free"}
    "#);
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_reply() {
    let backend = Backend::start();
    backend.sign_up("ada@example.org", "12345678");
    let wrong = backend.post_credentials(LOG_IN, "ada@example.org", "87654321");
    let unknown = backend.post_credentials(LOG_IN, "eve@example.org", "87654321");
    insta::assert_snapshot!(wrong.show(&[]), @r#"
    401 Unauthorized
    content-type: application/problem+json
    cache-control: no-store
    www-authenticate: Bearer realm="tollgate"

    {
      "detail": "The e-mail address or the password is wrong.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
    assert_eq!(unknown.show(&[]), wrong.show(&[]));
    assert_eq!(unknown.body, wrong.body);
}

#[test]
fn a_password_that_breaks_the_rules_is_just_wrong() {
    let backend = Backend::start();
    backend.sign_up("ada@example.org", "12345678");
    for password in ["", "1", "1234567", "12345678 ", "12345678\0"] {
        let status = backend.post_credentials(LOG_IN, "ada@example.org", password).status;
        assert_eq!(status, 401, "{password:?}");
    }
}

#[test]
fn malformed_credentials_are_refused_with_their_pointers() {
    let reply = Backend::start().post_credentials(LOG_IN, "ada", &"a".repeat(1025));
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
          "detail": "expected a password of at most 1024 bytes, found a longer one",
          "pointer": "/password"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}

/// Sends wrong passwords through two processes until one is refused.
fn guess_until_refused(backends: [&Backend; 2], email: &str) -> Reply {
    for backend in backends.into_iter().cycle().take(100) {
        let reply = backend.post_credentials(LOG_IN, email, "87654321");
        if reply.status != 401 {
            return reply;
        }
    }
    panic!("none of a hundred guesses was refused");
}

#[test]
fn guesses_at_one_account_are_limited_across_processes() {
    let backend = Backend::start();
    let second = backend.second();
    let ada = backend.user("ada@example.org");
    let known = guess_until_refused([&backend, &second], "ada@example.org");
    let wait: u64 = known.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(known.json()["detail"], format!("Too many wrong passwords: try again in {wait} s."));
    assert_eq!((known.status, &known.json()["title"]), (429, &"Too Many Requests".into()));
    let unknown = guess_until_refused([&backend, &second], "eve@example.org");
    assert_eq!((unknown.status, &unknown.json()["title"]), (429, &known.json()["title"]));

    assert_eq!(ada.refreshed().me().status, 200, "existing sessions still work");
    backend.execute(
        "UPDATE password_tries SET full_at_ms = 90000 + (SELECT MAX(created_at_ms) FROM sessions)",
    );
    assert_eq!(backend.log_in("ada@example.org", PASSWORD).me().status, 200, "after the wait");
    backend.user("grace@example.org");
}

/// All guesses begin before any is verified.
#[test]
fn concurrent_guesses_are_limited() {
    let backend = Backend::start();
    let second = backend.second();
    backend.sign_up("ada@example.org", PASSWORD);
    let start = clock::start();
    let statuses: Vec<_> = thread::scope(|scope| {
        let guess = |at: usize| {
            let backend = if at < 20 { &backend } else { &second };
            scope.spawn(|| backend.post_credentials(LOG_IN, "ada@example.org", "87654321").status)
        };
        let guesses: Vec<_> = (0..40).map(guess).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let verified = statuses.iter().filter(|status| **status == 401).count();
    // If the test takes long, new guesses become available meanwhile.
    let most = 10 + usize::try_from(start.elapsed().as_secs() / 10).unwrap() + 1;
    assert!((10..=most).contains(&verified), "{statuses:?}");
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
}
