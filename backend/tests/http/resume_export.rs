//! `GET /api/resumes/{id}/export`.

use super::backend::Backend;
use serde_json::{Value, json};

fn document() -> Value {
    json!({
        "basics": {"name": "Ada Lovelace", "email": "ada@example.org", "summary": "*Notes* A to G."},
        "work": [{"name": "Engines", "position": "Programmer", "startDate": "1842-02"}],
        "skills": [{"name": "Analysis", "keywords": ["series"]}],
    })
}

#[test]
fn an_exported_resume_equals_the_imported_one() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&document());
    for query in ["", "?format=json"] {
        let file = user.get(&format!("{path}/export{query}"));
        assert_eq!(file.json(), document());
        assert_eq!(file.header("content-type"), Some("application/json"));
        assert_eq!(
            file.header("content-disposition"),
            Some("attachment; filename=\"resume.json\"")
        );
    }
    let again = user.request("POST", "/api/resumes");
    let again = again.json(user.get(&format!("{path}/export")).body).send();
    assert_eq!(again.json()["resume"], document(), "an export can be imported");
}

#[test]
fn a_resume_is_exported_as_markdown_and_text() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&document());
    // Bypass the cache, since the age of a hit differs from run to run.
    let exported = |format: &str| {
        let request = user.request("GET", &format!("{path}/export?format={format}"));
        request.header("Cache-Control", "no-cache").send()
    };
    let markdown = exported("markdown");
    insta::assert_snapshot!(markdown.show_text(), @r#"
    200 OK
    content-type: text/markdown; charset=utf-8
    content-disposition: attachment; filename="resume.md"
    x-content-type-options: nosniff
    cache-control: private, no-cache
    etag: "1"
    x-cache: BYPASS
    cache-status: tollgate; fwd=bypass

    # Ada Lovelace

    ada@example.org

    \*Notes\* A to G.

    ## Work Experience

    ### Programmer, Engines

    *1842-02 – present*

    ## Skills

    - Analysis: series
    "#);
    let text = exported("text");
    insta::assert_snapshot!(text.show_text(), @r#"
    200 OK
    content-type: text/plain; charset=utf-8
    content-disposition: attachment; filename="resume.txt"
    x-content-type-options: nosniff
    cache-control: private, no-cache
    etag: "1"
    x-cache: BYPASS
    cache-status: tollgate; fwd=bypass

    Ada Lovelace
    ada@example.org

    SUMMARY
    *Notes* A to G.

    WORK EXPERIENCE
    Programmer, Engines
    1842-02 – present

    SKILLS
    Analysis: series
    "#);
}

#[test]
fn an_unknown_format_is_a_problem() {
    let backend = Backend::start();
    let user = backend.user("ada@example.org");
    let path = user.resume(&document());
    insta::assert_snapshot!(user.get(&format!("{path}/export?format=pdf")).show(&[]), @r#"
    400 Bad Request
    content-type: application/problem+json
    cache-control: no-store

    {
      "detail": "Query parameter format: expected json, markdown or text.",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
    assert_eq!(user.get(&format!("{path}/export?format=")).status, 400);
}
