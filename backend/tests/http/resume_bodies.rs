//! Invalid résumés are refused with the pointer of each error, and nothing is stored.

use super::backend::Backend;
use super::user::User;
use serde_json::{Value, json};

const RESUMES: &str = "/api/resumes";

fn check(user: &User<'_>, body: &[u8], status: u16) {
    let reply = user.request("POST", RESUMES).json(body).send();
    let shown = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
    assert_eq!(reply.status, status, "{shown}: {}", reply.show(&[]));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{shown}");
}

#[test]
fn every_error_is_reported_with_its_pointer() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let document = json!({
        "basics": {"name": 7, "email": "ada", "url": "javascript:alert(1)"},
        "work": [{"startDate": "2014-19"}, {"startDate": "2014", "endDate": "2013"}],
        "skilz": [],
    });
    insta::assert_snapshot!(user.send("POST", RESUMES, &document).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The document has invalid members.",
      "errors": [
        {
          "detail": "expected a string, found a number",
          "pointer": "/basics/name"
        },
        {
          "detail": "expected an e-mail address like ada@example.org, found \"ada\"",
          "pointer": "/basics/email"
        },
        {
          "detail": "expected a URL like https://example.org/ada, found \"javascript:alert(1)\"",
          "pointer": "/basics/url"
        },
        {
          "detail": "expected a date like 2014-06-29, 2014-06 or 2014, found \"2014-19\"",
          "pointer": "/work/0/startDate"
        },
        {
          "detail": "expected a date not before the start, 2014, found 2013",
          "pointer": "/work/1/endDate"
        },
        {
          "detail": "unknown member: only a document whose $schema names a version after 1.0.0 can have additional members",
          "pointer": "/skilz"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}

#[test]
fn refused_documents_are_not_stored() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let deep_array = format!("{{\"meta\": {}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    let deep_object = format!("{{\"meta\": {}1{}}}", "{\"a\":".repeat(100), "}".repeat(100));
    let skills: Vec<Value> = (0..10_000).map(|_| json!({"name": "x"})).collect();
    let skills = json!({ "skills": skills }).to_string();
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("null", 422),
        ("[]", 422),
        ("\"resume\"", 422),
        (r#"{"basics": {"name": "a\u0000b"}}"#, 422),
        (r#"{"basics": {"x\u0000": 1}}"#, 422),
        (r#"{"basics": {"name": "\ud800"}}"#, 400),
        (r#"{"basics": {"\udc00": ""}}"#, 400),
        (r#"{"basics": {}, "basics": {}}"#, 422),
        (r#"{"basics": {"x": {"a": 1, "a": 2}}}"#, 422),
        (r#"{"meta": {"n": 1e999}}"#, 400),
        (&deep_array, 400),
        (&deep_object, 422),
        (&skills, 422),
    ] {
        check(&user, body.as_bytes(), status);
    }
    check(&user, b"{\"basics\": {\"name\": \"\xff\"}}", 400);
    assert_eq!(user.get(RESUMES).json()["items"], json!([]));
    assert_eq!(backend.texts("SELECT id FROM resumes"), Vec::<String>::new());
}

#[test]
fn an_overlarge_document_is_refused() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let text = "a".repeat(16 * 1024);
    let mut body = json!({"work": [{"highlights": vec![&text; 15]}]}).to_string().into_bytes();
    body.resize(256 * 1024, b' ');
    assert_eq!(user.request("POST", RESUMES).json(&body).send().status, 201);
    body.push(b' ');
    insta::assert_snapshot!(user.request("POST", RESUMES).json(&body).send().show(&[]), @r#"
    413 Payload Too Large
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Expected a body of at most 262144 bytes.",
      "status": 413,
      "title": "Payload Too Large",
      "type": "about:blank"
    }
    "#);
    check(&user, &vec![b'['; 1 << 20], 413);
    let undeclared = user.request("POST", RESUMES).body(b"{}").send();
    assert_eq!(undeclared.status, 415);
}

#[test]
fn ten_thousand_skills_are_one_error() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let skills: Vec<Value> = (0..10_000).map(|_| json!({})).collect();
    insta::assert_snapshot!(user.send("POST", RESUMES, &json!({ "skills": skills })).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The document has invalid members.",
      "errors": [
        {
          "detail": "expected at most 500 items, found 10000",
          "pointer": "/skills"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}

#[test]
fn metacharacters_are_ordinary_characters() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let name = "'; DROP TABLE resumes; -- \" $1 ? % _ \\ {{}} \r\nGET * FLUSHALL \u{202e} \u{7f}";
    let document = json!({"basics": {"name": name, "label": name}, "skills": [{name: name}]});
    let path = user.resume(&document);
    assert_eq!(user.get(&path).json()["resume"], document);
    assert_eq!(user.get(RESUMES).json()["items"][0]["name"], name);
}
