//! Access control: requests for another user's résumés, and requests without a token.

use super::backend::Backend;
use super::client::{Reply, Request};
use super::user::PASSWORD;
use serde_json::{Value, json};

const UNKNOWN: &str = "/api/resumes/00000000-0000-7000-8000-000000000000";

/// A method, a path, and a body with its type.
type About = (&'static str, String, Option<(&'static str, Value)>);

/// Returns every possible request for one résumé.
fn all_about(path: &str) -> Vec<About> {
    let json = "application/json";
    let merge = json!({"basics": {"name": "Eve"}});
    let patch = json!([{"op": "remove", "path": "/basics"}]);
    vec![
        ("GET", path.to_owned(), None),
        ("HEAD", path.to_owned(), None),
        ("GET", format!("{path}/export"), None),
        ("GET", format!("{path}/export?format=markdown"), None),
        ("GET", format!("{path}/export?format=text"), None),
        ("PUT", path.to_owned(), Some((json, json!({})))),
        ("PATCH", path.to_owned(), Some(("application/merge-patch+json", merge))),
        ("PATCH", path.to_owned(), Some(("application/json-patch+json", patch))),
        ("DELETE", path.to_owned(), None),
    ]
}

fn send(request: Request, body: Option<&(&str, Value)>) -> Reply {
    let request = request.header("If-Match", "*").header("If-None-Match", "*");
    match body {
        Some((kind, body)) => {
            request.header("Content-Type", kind).body(body.to_string().as_bytes()).send()
        }
        None => request.send(),
    }
}

#[test]
fn another_users_resume_looks_like_a_missing_one() {
    let backend = Backend::start();
    let (ada, eve) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    let path = ada.resume(&json!({"basics": {"name": "Ada"}}));
    let before = ada.get(&path).json();
    insta::assert_snapshot!(eve.get(&path).show(&[]), @r#"
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
    let unknown = all_about(UNKNOWN);
    for ((method, path, body), (_, unknown, _)) in all_about(&path).iter().zip(unknown) {
        let theirs = send(eve.request(method, path), body.as_ref());
        let missing = send(eve.request(method, &unknown), body.as_ref());
        assert_eq!(theirs.status, 404, "{method} {path}");
        assert_eq!(theirs.body, missing.body, "{method} {path}");
    }
    assert_eq!(eve.get("/api/resumes").json()["items"], json!([]));
    assert_eq!(ada.get(&path).json(), before, "the résumé is unchanged");
}

#[test]
fn every_route_requires_a_valid_token() {
    let backend = Backend::start();
    let ada = backend.user("ada@example.org");
    let path = ada.resume(&json!({"basics": {"name": "Ada"}}));
    let before = ada.get(&path).json();
    let gone = backend.log_in("ada@example.org", PASSWORD);
    gone.request("POST", "/api/auth/logout").send();
    let mut routes = all_about(&path);
    let json = "application/json";
    routes.extend([
        ("GET", "/api/resumes".to_owned(), None),
        ("POST", "/api/resumes".to_owned(), Some((json, json!({})))),
        ("GET", "/api/subscription".to_owned(), None),
        ("PUT", "/api/subscription".to_owned(), Some((json, json!({"tier": "pro"})))),
        ("GET", "/api/usage".to_owned(), None),
        ("GET", "/api/me".to_owned(), None),
        ("DELETE", "/api/me".to_owned(), Some((json, json!({"password": PASSWORD})))),
        ("POST", "/api/auth/logout".to_owned(), None),
        (
            "POST",
            "/api/auth/password".to_owned(),
            Some((json, json!({"current_password": PASSWORD, "new_password": "87654321"}))),
        ),
    ]);
    for (method, path, body) in &routes {
        let without = send(backend.request(method, path), body.as_ref());
        let ended = send(gone.request(method, path), body.as_ref());
        assert_eq!((without.status, ended.status), (401, 401), "{method} {path}");
    }
    assert_eq!(ada.get(&path).json(), before);
}

#[test]
fn only_the_canonical_form_of_an_id_is_accepted() {
    let backend = Backend::start();
    let ada = backend.user("ada@example.org");
    let path = ada.resume(&json!({}));
    let id = path.rsplit('/').next().unwrap();
    let plain = id.replace('-', "");
    for other in [
        &id.to_uppercase(),
        &plain,
        &format!("%7B{id}%7D"),
        &format!("urn:uuid:{id}"),
        &format!("{id}%00"),
        "1",
        "%FF",
        "'%20OR%20'1'='1",
        "..%2f..%2fhealth",
    ] {
        assert_eq!(ada.get(&format!("/api/resumes/{other}")).status, 404, "{other}");
    }
    assert_eq!(ada.get(&path).status, 200);
}

#[test]
fn deleting_an_account_deletes_its_resumes() {
    let backend = Backend::start();
    let (ada, eve) = (backend.user("ada@example.org"), backend.user("eve@example.org"));
    ada.resume(&json!({}));
    let path = eve.resume(&json!({}));
    let left = ada.send("DELETE", "/api/me", &json!({"password": PASSWORD}));
    assert_eq!(left.status, 204);
    assert_eq!(backend.texts("SELECT id FROM resumes"), [path.rsplit('/').next().unwrap()]);
}
