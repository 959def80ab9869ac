//! Invalid bodies.

use super::backend::Backend;

const SIGN_UP: &str = "/api/auth/signup";

fn check(body: impl AsRef<[u8]>, status: u16) {
    let reply = Backend::start().post(SIGN_UP, body);
    assert_eq!(reply.status, status, "{}", reply.show(&[]));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
}

#[test]
fn malformed_json_is_reported_with_its_position() {
    let reply =
        Backend::start().post(SIGN_UP, "{\"email\": \"ada@example.org\",\n \"password\": }");
    insta::assert_snapshot!(reply.show(&[]), @r#"
    400 Bad Request
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Expected a JSON body.",
      "errors": [
        {
          "detail": "expected value at line 2 column 14",
          "pointer": "/password"
        }
      ],
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
}

#[test]
fn invalid_members_are_reported_with_their_pointers() {
    let body = r#"{"email": 7, "extra": {"a": 1}, "email": "ada@example.org"}"#;
    insta::assert_snapshot!(Backend::start().post(SIGN_UP, body).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body has invalid members.",
      "errors": [
        {
          "detail": "duplicate member",
          "pointer": "/email"
        },
        {
          "detail": "expected a string, found a number",
          "pointer": "/email"
        },
        {
          "detail": "expected a string, found nothing",
          "pointer": "/password"
        },
        {
          "detail": "unknown member",
          "pointer": "/extra"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}

#[test]
fn a_body_must_be_an_object() {
    insta::assert_snapshot!(Backend::start().post(SIGN_UP, "[1, 2]").show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The body does not match what this route expects.",
      "errors": [
        {
          "detail": "invalid type: sequence, expected an object of at most 64 members at line 1 column 0",
          "pointer": ""
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}

#[test]
fn a_body_must_be_declared_json() {
    let backend = Backend::start();
    let body = br#"{"email": "ada@example.org", "password": "12345678"}"#;
    let undeclared = backend.request("POST", SIGN_UP).body(body).send();
    insta::assert_snapshot!(undeclared.show(&[]), @r#"
    415 Unsupported Media Type
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Expected a body with Content-Type: application/json.",
      "status": 415,
      "title": "Unsupported Media Type",
      "type": "about:blank"
    }
    "#);
    for declared in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let request = backend.request("POST", SIGN_UP).header("Content-Type", declared);
        assert_eq!(request.body(body).send().status, 415, "{declared}");
    }
    let declared = "application/json; charset=utf-8";
    let request = backend.request("POST", SIGN_UP).header("Content-Type", declared);
    assert_eq!(request.body(body).send().status, 201);
}

#[test]
fn an_overlarge_body_is_refused() {
    let backend = Backend::start();
    insta::assert_snapshot!(backend.post(SIGN_UP, vec![b' '; 64 * 1024 + 1]).show(&[]), @r#"
    413 Payload Too Large
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Expected a body of at most 65536 bytes.",
      "status": 413,
      "title": "Payload Too Large",
      "type": "about:blank"
    }
    "#);
    let megabyte = vec![b'['; 1 << 20];
    assert_eq!(backend.post(SIGN_UP, &megabyte).status, 413);
    let request = backend.request("POST", SIGN_UP).header("Content-Type", "application/json");
    assert_eq!(request.chunked_body(&megabyte, 1000).send().status, 413);
}

#[test]
fn a_body_of_the_maximum_size_is_accepted() {
    let mut body = br#"{"email": "ada@example.org", "password": "12345678"}"#.to_vec();
    body.resize(64 * 1024, b' ');
    let backend = Backend::start();
    let request = backend.request("POST", SIGN_UP).header("Content-Type", "application/json");
    assert_eq!(request.chunked_body(&body, 999).send().status, 201);
}

#[test]
fn invalid_utf_8_is_refused() {
    check(b"{\"email\": \"\xff@example.org\", \"password\": \"12345678\"}", 400);
    check(b"\xef\xbb\xbf{}", 400);
    check(b"\0", 400);
    check("", 400);
}

#[test]
fn lone_surrogates_are_refused_and_pairs_are_not() {
    for lone in [r"\ud800", r"\udc00", r"\ud800\ud800", r"\udc00\ud800"] {
        check(format!(r#"{{"email": "ada@example.org", "password": "1234567{lone}"}}"#), 400);
    }
    let backend = Backend::start();
    let pair = r#"{"email": "ada@example.org", "password": "1234567\ud83d\ude00"}"#;
    assert_eq!(backend.post(SIGN_UP, pair).status, 201);
    backend.log_in("ada@example.org", "1234567😀");
}

#[test]
fn deep_nesting_is_refused() {
    check("[".repeat(30_000), 400);
    check(format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)), 400);
    check("{\"a\":".repeat(10_000), 400);
}

#[test]
fn wrong_types_and_missing_members_are_refused() {
    for body in [
        "null",
        "true",
        "7",
        "\"text\"",
        "{}",
        r#"{"email": null, "password": null}"#,
        r#"{"email": ["ada@example.org"], "password": "12345678"}"#,
        r#"{"email": "ada@example.org", "password": 12345678}"#,
        r#"{"email": "ada@example.org", "password": {"$ne": ""}}"#,
        r#"{"Email": "ada@example.org", "password": "12345678"}"#,
        r#"{"email": "ada@example.org", "password": "12345678", "password": "87654321"}"#,
    ] {
        check(body, 422);
    }
}

#[test]
fn ten_thousand_members_are_refused() {
    let members: Vec<_> = (0..7_000).map(|n| format!("\"{n}\":0")).collect();
    check(format!("{{{}}}", members.join(",")), 422);
}
