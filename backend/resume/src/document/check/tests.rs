//! Valid and invalid documents.

use super::*;
use serde_json::json;

/// Returns the errors in `document`, one `pointer: detail` per line.
fn mistakes(document: &Value) -> String {
    let errors = check(document).err().unwrap_or_default();
    let lines: Vec<_> = errors.iter().map(|e| format!("{}: {}", e.pointer, e.detail)).collect();
    lines.join("\n").replace('\0', "␀")
}

#[test]
fn all_members_are_optional() {
    for document in
        [json!({}), json!({"basics": {}, "work": [], "meta": {}}), json!({"work": [{}]})]
    {
        assert_eq!(mistakes(&document), "", "{document}");
    }
}

#[test]
fn unknown_members_are_allowed_inside() {
    let document = json!({
        "basics": {"pronouns": "she/her", "location": {"planet": 3}},
        "work": [{"team": {"size": [1, 2.5, null, true]}}],
        "meta": {"theme": "even"},
    });
    assert_eq!(mistakes(&document), "");
}

#[test]
fn unknown_top_level_members_depend_on_the_version() {
    let with = |schema: &str| {
        let schema = format!("https://example.org/{schema}/schema.json");
        json!({"$schema": schema, "x-extra": 1, "certificates": [{"date": "2020-05"}]})
    };
    assert_eq!(mistakes(&with("v1.2.1")), "");
    insta::assert_snapshot!(mistakes(&with("v1.0.0")), @r#"
    /certificates/0/date: expected a date like 2014-06-29, found "2020-05"
    /x-extra: unknown member: only a document whose $schema names a version after 1.0.0 can have additional members
    "#);
    insta::assert_snapshot!(mistakes(&with("latest")), @"/x-extra: unknown member: only a document whose $schema names a version after 1.0.0 can have additional members");
    assert_eq!(mistakes(&json!({"certificates": [{"date": "2020-05"}]})), "");
}

#[test]
fn wrong_types_are_reported_with_their_pointers() {
    let document = json!({
        "$schema": 1,
        "basics": {"name": null, "location": [], "profiles": [{"url": 7}, "x"]},
        "work": {},
        "skills": [{"keywords": "rust"}, {"keywords": [1, "a", null]}],
        "meta": true,
    });
    insta::assert_snapshot!(mistakes(&document), @r"
    /$schema: expected a string, found a number
    /basics/name: expected a string, found null
    /basics/location: expected an object, found an array
    /basics/profiles/0/url: expected a string, found a number
    /basics/profiles/1: expected an object, found a string
    /work: expected an array, found an object
    /skills/0/keywords: expected an array, found a string
    /skills/1/keywords/0: expected a string, found a number
    /skills/1/keywords/2: expected a string, found null
    /meta: expected an object, found a boolean
    ");
    for document in [json!(null), json!([]), json!("x"), json!(1)] {
        assert!(mistakes(&document).starts_with(": expected a JSON Resume object"), "{document}");
    }
}

#[test]
fn impossible_dates_are_rejected_though_they_match_the_pattern() {
    let document = json!({
        "work": [
            {"startDate": "2014-19"},
            {"startDate": "2014-06", "endDate": "2014-05"},
            {"startDate": "2014-06", "endDate": "2014"},
            {"startDate": "2014", "endDate": "2013-12-31"},
            {"startDate": "2014-02-30", "endDate": "2000"},
        ],
        "projects": [{"startDate": "2020", "endDate": "2019"}],
        "publications": [{"releaseDate": ""}],
    });
    insta::assert_snapshot!(mistakes(&document), @r#"
    /work/0/startDate: expected a date like 2014-06-29, 2014-06 or 2014, found "2014-19"
    /work/1/endDate: expected a date not before the start, 2014-06, found 2014-05
    /work/3/endDate: expected a date not before the start, 2014, found 2013-12-31
    /work/4/startDate: expected a date like 2014-06-29, 2014-06 or 2014, found "2014-02-30"
    /publications/0/releaseDate: expected a date like 2014-06-29, 2014-06 or 2014, found ""
    /projects/0/endDate: expected a date not before the start, 2020, found 2019
    "#);
}

#[test]
fn urls_and_e_mail_addresses_are_validated() {
    let with_url = |url: &str| mistakes(&json!({"basics": {"url": url}}));
    for good in [
        "https://example.org",
        "http://example.org:8080/a%20b?c=d#e",
        "HTTPS://EXAMPLE.ORG/",
        "https://münchen.example/straße",
        "https://[::1]/",
    ] {
        assert_eq!(with_url(good), "", "{good}");
    }
    for bad in [
        "",
        "example.org",
        "//example.org",
        "https://",
        "https:example.org",
        "javascript:alert(1)",
        "https://exa mple.org",
        " https://example.org",
        "https://example.org/<script>",
        "https://example.org/\n",
        "ftp://example.org",
        "https://example.org:99999/",
        "/a",
        "data:text/html,x",
        "https://example.org/)\u{0}",
    ] {
        assert!(with_url(bad).contains("/basics/url: "), "{bad}");
    }
    for bad in ["", "ada", "ada@", "@example.org", "a b@example.org", " ada@example.org"] {
        let found = mistakes(&json!({"basics": {"email": bad}}));
        assert!(found.starts_with("/basics/email: expected an e-mail"), "{bad}: {found}");
    }
}

#[test]
fn every_value_is_bounded() {
    let skills: Vec<_> = (0..10_000).map(|n| json!({"name": n.to_string()})).collect();
    let members: Map<_, _> = (0..65).map(|n| (n.to_string(), json!(n))).collect();
    let mut deep = json!(1);
    for _ in 0..16 {
        deep = json!([deep]);
    }
    let document = json!({
        "skills": skills,
        "basics": {"summary": "a".repeat(MAX_TEXT_BYTES + 1), "x": members, "label": "a\0b"},
        "meta": {"x": deep, "a\0/~": 1},
    });
    insta::assert_snapshot!(mistakes(&document), @r"
    /basics/label: expected a string without U+0000, found one with it
    /basics/summary: expected a string of at most 16384 bytes, found 16385
    /basics/x: expected at most 64 members, found 65
    /meta/a␀~1~0: expected a string without U+0000, found one with it
    /meta/x/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0: expected at most 16 levels of nesting, found more
    /skills: expected at most 500 items, found 10000
    ");
    let most = json!({"skills": vec![json!({}); MAX_ITEMS], "basics": {"summary": "a".repeat(MAX_TEXT_BYTES)}});
    assert_eq!(mistakes(&most), "");
}

#[test]
fn the_document_and_its_errors_are_bounded() {
    let long = vec!["a".repeat(MAX_TEXT_BYTES); 17];
    let found = mistakes(&json!({"work": [{"highlights": long}]}));
    assert!(found.starts_with(": expected a document of at most 262144 bytes"), "{found}");

    let wrong = vec![json!({"name": 1}); MAX_ITEMS];
    assert_eq!(mistakes(&json!({ "skills": wrong })).lines().count(), MAX_ERRORS);
}
