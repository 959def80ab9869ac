//! `/api/resumes` and `/api/resumes/{id}`: creating, reading, listing, changing and deleting.

use super::backend::Backend;
use super::client::Reply;
use super::user::User;
use serde_json::{Value, json};
use std::thread;

const RESUMES: &str = "/api/resumes";
const MERGE: &str = "application/merge-patch+json";
const PATCH: &str = "application/json-patch+json";

/// Members that differ from run to run.
const VOLATILE: [&str; 3] = ["/id", "/created_at", "/updated_at"];

impl User<'_> {
    /// Creates a résumé and returns its path.
    pub(crate) fn resume(&self, document: &Value) -> String {
        let reply = self.send("POST", RESUMES, document);
        assert_eq!(reply.status, 201, "{}", reply.show(&[]));
        reply.header("location").unwrap().to_owned()
    }

    /// Patches a résumé with `If-Match: version`.
    pub(crate) fn change(&self, path: &str, version: &str, kind: &str, change: &Value) -> Reply {
        let request = self.request("PATCH", path).header("If-Match", version);
        request.header("Content-Type", kind).body(change.to_string().as_bytes()).send()
    }

    /// Replaces a résumé with `If-Match: version`.
    pub(crate) fn replace(&self, path: &str, version: &str, document: &Value) -> Reply {
        self.request("PUT", path).header("If-Match", version).json(document.to_string()).send()
    }
}

fn ada() -> Value {
    json!({"basics": {"name": "Ada", "label": "Analyst"}, "skills": [{"name": "Rust"}]})
}

#[test]
fn a_resume_is_created_and_read() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let made = user.send("POST", RESUMES, &ada());
    let path = format!("{RESUMES}/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(made.header("location"), Some(path.as_str()));
    insta::assert_snapshot!(made.show(&VOLATILE).replace(&path, "PATH"), @r#"
    201 Created
    content-type: application/json
    cache-control: private, no-cache
    etag: "1"
    location: PATH

    {
      "created_at": "…",
      "id": "…",
      "resume": {
        "basics": {
          "label": "Analyst",
          "name": "Ada"
        },
        "skills": [
          {
            "name": "Rust"
          }
        ]
      },
      "updated_at": "…",
      "version": 1
    }
    "#);
    let read = user.get(&path);
    assert_eq!(read.json(), made.json());
    assert_eq!(read.header("etag"), Some("\"1\""));
    assert_eq!(user.get(RESUMES).json()["items"][0]["id"], made.json()["id"]);
}

#[test]
fn members_outside_the_schema_are_kept() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let document = json!({
        "$schema": "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.2.1/schema.json",
        "basics": {"name": "Ada \u{1F600} \\u0000", "pronouns": ["she", "her"], "n": 1.5},
        "x-theme": {"colour": null, "size": 9_007_199_254_740_993_u64, "on": true},
        "certificates": [{"name": "C", "date": "2020-05"}],
    });
    let path = user.resume(&document);
    assert_eq!(user.get(&path).json()["resume"], document);
    assert_eq!(user.get(&format!("{path}/export")).json(), document);
    let changed = user.change(&path, "*", MERGE, &json!({"basics": {"label": "x"}})).json();
    assert_eq!(changed["resume"]["x-theme"], document["x-theme"]);
    assert_eq!(changed["resume"]["basics"]["pronouns"], json!(["she", "her"]));
}

#[test]
fn an_unchanged_resume_is_a_304() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    for path in [path.clone(), format!("{path}/export?format=text")] {
        // Bypass the cache, since the age of a hit differs from run to run.
        let request = || user.request("GET", &path).header("Cache-Control", "no-cache");
        let known = |tag: &str| request().header("If-None-Match", tag).send();
        insta::allow_duplicates! {
            insta::assert_snapshot!(known("\"1\"").show(&[]), @r#"
            304 Not Modified
            etag: "1"
            cache-control: private, no-cache
            x-cache: BYPASS
            cache-status: tollgate; fwd=bypass
            "#);
        }
        assert_eq!(known("\"0\", W/\"1\"").status, 304);
        assert_eq!(known("\"2\"").status, 200);
    }
}

#[test]
fn a_resume_is_replaced() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    let reply = user.replace(&path, "\"1\"", &json!({"basics": {"name": "Countess"}}));
    assert_eq!(reply.header("etag"), Some("\"2\""));
    insta::assert_snapshot!(reply.show(&VOLATILE), @r#"
    200 OK
    content-type: application/json
    cache-control: private, no-cache
    etag: "2"

    {
      "created_at": "…",
      "id": "…",
      "resume": {
        "basics": {
          "name": "Countess"
        }
      },
      "updated_at": "…",
      "version": 2
    }
    "#);
    assert_eq!(user.get(&path).json(), reply.json());
    let listed = user.get(RESUMES).json();
    assert_eq!(
        (&listed["items"][0]["name"], &listed["items"][0]["label"]),
        (&json!("Countess"), &json!(""))
    );
}

#[test]
fn a_resume_can_be_changed_by_both_kinds_of_patch() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    let merged = user.change(&path, "\"1\"", MERGE, &json!({"basics": {"label": null}}));
    assert_eq!(merged.json()["resume"]["basics"], json!({"name": "Ada"}));
    let operations = json!([
        {"op": "test", "path": "/basics/name", "value": "Ada"},
        {"op": "add", "path": "/skills/-", "value": {"name": "SQL"}},
    ]);
    let patched = user.change(&path, "\"2\"", PATCH, &operations);
    assert_eq!(patched.json()["resume"]["skills"][1]["name"], "SQL");
    assert_eq!(patched.header("etag"), Some("\"3\""));
    assert_eq!(user.get(&path).json(), patched.json());
}

/// The limit applies even if the document is small after each operation.
#[test]
fn a_patch_that_copies_too_much_is_refused() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&json!({"work": vec![json!({"summary": "x".repeat(10_000)}); 10]}));
    let copy = json!({"op": "copy", "from": "/work", "path": "/volunteer"});
    let remove = json!({"op": "remove", "path": "/volunteer"});
    let refused =
        user.change(&path, "\"1\"", PATCH, &Value::Array(vec![[copy, remove]; 50].concat()));
    assert_eq!(refused.status, 422);
    insta::assert_snapshot!(refused.json()["errors"], @r#"[{"detail":"expected copies of at most 262144 bytes in total, found more","pointer":"/4"}]"#);
    let doubled = Value::Array(vec![json!({"op": "copy", "from": "", "path": "/skills"}); 100]);
    assert_eq!(user.change(&path, "\"1\"", PATCH, &doubled).status, 422);
}

#[test]
fn a_failing_patch_changes_nothing() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    let failing = json!([
        {"op": "remove", "path": "/skills/0"},
        {"op": "test", "path": "/basics/name", "value": "Eve"},
    ]);
    insta::assert_snapshot!(user.change(&path, "\"1\"", PATCH, &failing).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The patch cannot be applied.",
      "errors": [
        {
          "detail": "value did not match",
          "pointer": "/1"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    let no_resume = json!({"skills": [{"name": 7}], "basics": {"email": "nobody"}});
    insta::assert_snapshot!(user.change(&path, "\"1\"", MERGE, &no_resume).show(&[]), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The document has invalid members.",
      "errors": [
        {
          "detail": "expected an e-mail address like ada@example.org, found \"nobody\"",
          "pointer": "/basics/email"
        },
        {
          "detail": "expected a string, found a number",
          "pointer": "/skills/0/name"
        }
      ],
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    insta::assert_snapshot!(user.change(&path, "\"1\"", "application/json", &ada()).show(&[]), @r#"
    415 Unsupported Media Type
    content-type: application/problem+json
    cache-control: no-store
    accept-patch: application/merge-patch+json, application/json-patch+json

    {
      "detail": "Expected a body with Content-Type: application/merge-patch+json or application/json-patch+json.",
      "status": 415,
      "title": "Unsupported Media Type",
      "type": "about:blank"
    }
    "#);
    assert_eq!(user.change(&path, "\"1\"", MERGE, &json!([1])).status, 422);
    assert_eq!(user.get(&path).json()["resume"], ada());
    assert_eq!(user.get(&path).header("etag"), Some("\"1\""));
}

#[test]
fn a_change_requires_if_match() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    insta::assert_snapshot!(user.send("PUT", &path, &ada()).show(&[]), @r#"
    428 Precondition Required
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Expected If-Match with the ETag of the version to change.",
      "status": 428,
      "title": "Precondition Required",
      "type": "about:blank"
    }
    "#);
    let merge = user.request("PATCH", &path).header("Content-Type", MERGE).body(b"{}").send();
    assert_eq!(merge.status, 428);
    insta::assert_snapshot!(user.replace(&path, "\"2\"", &ada()).show(&[]), @r#"
    412 Precondition Failed
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "The résumé's version does not match If-Match: read it again.",
      "status": 412,
      "title": "Precondition Failed",
      "type": "about:blank"
    }
    "#);
    assert_eq!(user.replace(&path, "W/\"1\"", &ada()).status, 412);
    assert_eq!(user.change(&path, "\"0\"", MERGE, &json!({})).status, 412);
    assert_eq!(user.request("DELETE", &path).header("If-Match", "\"2\"").send().status, 412);
    assert_eq!(user.get(&path).header("etag"), Some("\"1\""));
    assert_eq!(user.replace(&path, "\"7\", \"1\"", &ada()).status, 200);
    assert_eq!(user.replace(&path, "*", &ada()).status, 200);
}

#[test]
fn of_concurrent_changes_one_wins() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&ada());
    let replies: Vec<_> = thread::scope(|scope| {
        let change = |n: usize| {
            let (user, path) = (&user, &path);
            move || user.change(path, "\"1\"", MERGE, &json!({"basics": {"label": n.to_string()}}))
        };
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(change(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.status == 412).count(), 7);
    assert_eq!(user.get(&path).json(), won[0].json());
}

#[test]
fn a_deleted_resume_is_gone() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let (path, other) = (user.resume(&ada()), user.resume(&ada()));
    insta::assert_snapshot!(user.request("DELETE", &path).send().show(&[]), @"204 No Content");
    for (method, path) in
        [("GET", path.clone()), ("DELETE", path.clone()), ("GET", format!("{path}/export"))]
    {
        assert_eq!(user.request(method, &path).send().status, 404, "{method} {path}");
    }
    assert_eq!(user.replace(&path, "*", &ada()).status, 404);
    assert_eq!(user.get(RESUMES).json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(user.request("DELETE", &other).header("If-Match", "\"1\"").send().status, 204);
}

#[test]
fn resumes_are_listed_in_pages_newest_first() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    insta::assert_snapshot!(user.get(RESUMES).show(&[]), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "items": [],
      "next": null
    }
    "#);
    for n in 0..5 {
        user.resume(&json!({"basics": {"name": n.to_string()}}));
    }
    let page = |query: &str| {
        let page = user.get(&format!("{RESUMES}?{query}")).json();
        let items = page["items"].as_array().unwrap();
        let names: String = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
        (names, page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(page(""), ("43210".to_owned(), None));
    assert_eq!(page("limit=5"), ("43210".to_owned(), None));
    let (names, next) = page("limit=2");
    assert_eq!(names, "43");
    // A new résumé does not shift the next page.
    user.resume(&json!({"basics": {"name": "5"}}));
    let (names, next) = page(&format!("limit=2&cursor={}", next.unwrap()));
    assert_eq!(names, "21");
    assert_eq!(page(&format!("limit=2&cursor={}", next.unwrap())), ("0".to_owned(), None));
}

#[test]
fn an_invalid_page_is_a_problem() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    insta::assert_snapshot!(user.get(&format!("{RESUMES}?limit=0")).show(&[]), @r#"
    400 Bad Request
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Query parameter limit: expected a whole number from 1 to 100.",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
    for query in
        ["limit=101", "limit=x", "limit=1%20OR%201=1", "cursor=x", "cursor=%27%3B--", "cursor="]
    {
        assert_eq!(user.get(&format!("{RESUMES}?{query}")).status, 400, "{query}");
    }
}

#[test]
fn the_number_of_resumes_is_limited() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let first = user.resume(&json!({}));
    let add = |count: usize| -> Vec<u16> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..count)
                            .map(|_| user.send("POST", RESUMES, &json!({})).status)
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        })
    };
    let statuses = add(26);
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 99);
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 5);
    insta::assert_snapshot!(user.send("POST", RESUMES, &json!({})).show(&[]), @r#"
    409 Conflict
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Expected at most 100 résumés: delete one first.",
      "status": 409,
      "title": "Conflict",
      "type": "about:blank"
    }
    "#);
    assert_eq!(user.request("DELETE", &first).send().status, 204);
    assert_eq!(add(1).iter().filter(|status| **status == 201).count(), 1);
}
