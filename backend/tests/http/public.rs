//! `GET /`, `GET /.well-known/jwks.json`, and unknown routes.

use super::backend::Backend;
use super::client::{Reply, connect};
use std::io::Write;

#[test]
fn the_root_describes_the_service() {
    let reply = Backend::start().get("/");
    insta::assert_snapshot!(reply.show(&["/version"]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "links": {
        "analyze_ats_score": "/api/ai/analyze-ats-score",
        "docs": "/docs",
        "extract_keywords": "/api/ai/extract-keywords",
        "generate_cover_letter": "/api/ai/generate-cover-letter",
        "health": "/health",
        "jwks": "/.well-known/jwks.json",
        "login": "/api/auth/login",
        "me": "/api/me",
        "metrics": "/metrics",
        "openapi": "/openapi.json",
        "optimize_linkedin": "/api/ai/optimize-linkedin",
        "optimize_resume": "/api/ai/optimize-resume",
        "pricing": "/api/pricing",
        "resumes": "/api/resumes",
        "signup": "/api/auth/signup"
      },
      "service": "tollgate-backend",
      "version": "…"
    }
    "#);
    assert_eq!(reply.json()["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_link_of_the_root_leads_somewhere() {
    let backend = Backend::start();
    for (name, path) in backend.get("/").json()["links"].as_object().unwrap() {
        let status = backend.get(path.as_str().unwrap()).status;
        assert!([200, 401, 405].contains(&status), "{name}: {status}");
    }
}

#[test]
fn the_published_keys_can_be_cached() {
    let reply = Backend::start().get("/.well-known/jwks.json");
    insta::assert_snapshot!(reply.show(&["/keys/0/kid", "/keys/0/x"]), @r#"
    200 OK
    content-type: application/json
    cache-control: public, max-age=300

    {
      "keys": [
        {
          "alg": "EdDSA",
          "crv": "Ed25519",
          "kid": "…",
          "kty": "OKP",
          "use": "sig",
          "x": "…"
        }
      ]
    }
    "#);
}

#[test]
fn the_published_keys_contain_no_secret() {
    let reply = Backend::start().get("/.well-known/jwks.json");
    assert!(reply.json()["keys"][0].get("d").is_none());
}

#[test]
fn an_unknown_path_is_a_problem() {
    let backend = Backend::start();
    insta::assert_snapshot!(backend.get("/api/nothing").show(&[]), @r#"
    404 Not Found
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "No route has this path. GET / lists the routes.",
      "status": 404,
      "title": "Not Found",
      "type": "about:blank"
    }
    "#);
    for path in
        ["/health/", "//health", "/api/../health", "/HEALTH", "/%00", "/api/me/1", "/?x", "/.env"]
    {
        let expected = if path == "/?x" { 200 } else { 404 };
        assert_eq!(backend.get(path).status, expected, "{path}");
    }
}

#[test]
fn an_unsupported_method_is_a_problem_with_allow() {
    let backend = Backend::start();
    insta::assert_snapshot!(backend.request("DELETE", "/health").send().show(&[]), @r#"
    405 Method Not Allowed
    content-type: application/problem+json
    cache-control: no-store
    allow: GET,HEAD

    {
      "detail": "This path does not support the method: see the Allow header.",
      "status": 405,
      "title": "Method Not Allowed",
      "type": "about:blank"
    }
    "#);
    for (method, path, allow) in [
        ("GET", "/api/auth/login", "POST"),
        ("PUT", "/api/auth/signup", "POST"),
        ("PATCH", "/api/me", "GET,HEAD,DELETE"),
        ("POST", "/", "GET,HEAD"),
        ("OPTIONS", "/health", "GET,HEAD"),
        ("BREW", "/.well-known/jwks.json", "GET,HEAD"),
    ] {
        let reply = backend.request(method, path).send();
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {path}");
    }
}

#[test]
fn head_is_get_without_the_body() {
    let backend = Backend::start();
    let (head, get) = (backend.request("HEAD", "/health").send(), backend.get("/health"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
}

#[test]
fn a_request_id_is_kept_if_a_log_can_hold_it() {
    let backend = Backend::start();
    let id_of = |sent: &str| {
        let reply = backend.request("GET", "/").header("X-Request-Id", sent).send();
        reply.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id_of("0af7651916cd43dd:8448eb21"), "0af7651916cd43dd:8448eb21");
    for bad in ["", "two words", "<script>", "ä", &"a".repeat(129)] {
        let id = id_of(bad);
        assert!(uuid::Uuid::parse_str(&id).is_ok(), "{bad:?}: {id:?}");
    }
}

/// Sends exactly these bytes and returns the reply's status.
fn status_of(backend: &Backend, bytes: &[u8]) -> u16 {
    let mut stream = connect(backend.address);
    stream.write_all(bytes).unwrap();
    Reply::read(&mut stream).status
}

#[test]
fn odd_requests_get_ordinary_answers() {
    let backend = Backend::start();
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"[..], 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\nCookie: \x80\r\nConnection: close\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nX-Request-Id: \xff\r\nConnection: close\r\n\r\n", 200),
        (b"GET /api/me HTTP/1.1\r\nAuthorization: Bearer \xff\r\nConnection: close\r\n\r\n", 401),
        (b"GET http://elsewhere/health HTTP/1.1\r\nConnection: close\r\n\r\n", 200),
        (b"GET /\xff HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"POST /api/auth/login HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /api/auth/login HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"no HTTP at all\r\n\r\n", 400),
    ] {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(status_of(&backend, bytes), expected, "{shown}");
    }
    assert_eq!(backend.get("/health").status, 200, "the service still works");
}
