use crate::path::{BadPath, NormalPath};
use crate::plan::tests::FakeRequest;
use crate::policy::Policy;
use serde_json::{Value, json};

mod model;

/// Returns a policy with a bucket `b` and these fields.
fn policy(fields: Value) -> Policy {
    let mut document = json!({
        "version": 1,
        "keys": { "client": { "client_ip": {} } },
        "buckets": { "b": { "key": "client", "limit": 10, "window": "1m" } },
    });
    let fields = fields.as_object().unwrap().clone();
    document.as_object_mut().unwrap().extend(fields);
    Policy::from_value(document).unwrap()
}

fn leaked(path: &str) -> &'static str {
    Box::leak(path.to_owned().into_boxed_str())
}

/// Returns the name of the rules that match, or `400`.
fn found(policy: &Policy, path: &str) -> String {
    let request = FakeRequest::get(leaked(path));
    let plan = policy.plan(&request);
    let explained = policy.explain(&request);
    match (plan, explained) {
        (Ok(plan), Ok(explained)) => {
            assert_eq!(explained.matched, plan.matched, "{path}");
            policy.matched_name(&plan.matched).into_owned()
        }
        (Err(bad), Err(explained)) if bad == explained => "400".to_owned(),
        other => panic!("{path}: {other:?}"),
    }
}

fn check(policy: &Policy, cases: &[(&str, &str)]) {
    for (path, expected) in cases {
        assert_eq!(found(policy, path), *expected, "{path}");
    }
}

#[test]
fn no_spelling_escapes_its_rule_in_any_mode() {
    let modes = [("reject", "reject"), ("keep", "keep"), ("decode", "keep")];
    let policies = modes.map(|(slash, undecodable)| {
        policy(json!({
            "encoded_slash": slash, "undecodable": undecodable,
            "rules": [
                { "name": "L", "match": { "paths": ["/api/auth/login"] }, "charge": ["b"] },
                { "name": "O", "charge": ["b"] },
            ],
        }))
    });
    let lines = include_str!("../../tests/spellings.txt").lines();
    let mut count = 0;
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (expected, path) = line.split_once(' ').unwrap();
        let found = policies.each_ref().map(|policy| found(policy, path).replace("400", "-"));
        assert_eq!(found.concat(), expected, "{path}");
        count += 1;
    }
    assert!(count > 60, "only {count}");
}

#[test]
fn without_an_accepting_rule_nothing_changes() {
    let policy = policy(json!({ "rules": [{ "match": { "paths": ["/x"] }, "charge": ["b"] }] }));
    for path in ["/a%2fb", "/a%", "/%ff", "/a%00", "/.."] {
        let strict = NormalPath::parse(path.as_bytes()).unwrap_err();
        assert_eq!(policy.plan(&FakeRequest::get(path)), Err(strict));
    }
    assert_eq!(policy.plan(&FakeRequest::get("/%2f")), Err(BadPath::EscapedSlash));
}

#[test]
fn a_rule_accepts_what_the_policy_rejects() {
    let policy = policy(json!({ "rules": [
        { "name": "login", "match": { "paths": ["/api/auth/login"] }, "charge": ["b"] },
        { "name": "npm", "match": { "paths": ["/npm/**"] }, "charge": [], "encoded_slash": "keep" },
        { "name": "files", "match": { "paths": ["/files/*"] }, "charge": ["b"], "undecodable": "keep" },
        { "name": "rest", "charge": ["b"] },
    ] }));
    check(
        &policy,
        &[
            ("/npm/@scope%2fname", "npm"),
            ("/npm/@scope%2fname/-/name-1.0.tgz", "npm"),
            ("/npm/@scope/name", "npm"),
            ("/npm/..%2fapi/auth/login", "400"),
            ("/npm/%2f..%2f..%2fapi/auth/login", "400"),
            ("/api/auth%2flogin", "400"),
            ("/api%2fauth/login", "400"),
            ("/other%2fpath", "400"),
            ("/npm/caf%e9", "400"),
            ("/files/caf%e9", "files"),
            ("/files/100%", "files"),
            ("/files/a%2fb", "400"),
            ("/caf%e9", "400"),
        ],
    );
}

#[test]
fn an_ambiguous_path_does_not_bypass_a_rule_that_rejects() {
    let keep = json!({ "name": "keep", "match": { "paths": ["/a/*"] }, "charge": [], "encoded_slash": "keep" });
    let limit =
        |path: &str| json!({ "name": "limit", "match": { "paths": [path] }, "charge": ["b"] });
    let rest = json!({ "name": "rest", "charge": ["b"] });
    let ordered = |rules: [&Value; 3]| policy(json!({ "rules": rules }));
    // Read as `/a/x/y`, the path would be limited.
    let narrow = limit("/a/x/*");
    check(&ordered([&narrow, &keep, &rest]), &[("/a/x%2fy", "400"), ("/a/z%2fy", "keep")]);
    check(&ordered([&keep, &narrow, &rest]), &[("/a/x%2fy", "400"), ("/a/z%2fy", "keep")]);
    // The wider rule would apply in both readings, so the order of the rules decides.
    let wide = limit("/a/**");
    check(&ordered([&wide, &keep, &rest]), &[("/a/x%2fy", "400")]);
    check(&ordered([&keep, &wide, &rest]), &[("/a/x%2fy", "keep")]);
}

#[test]
fn rules_that_read_a_path_differently_must_agree() {
    let rule = |name: &str, path: &str, mode: &str| json!({ "name": name, "match": { "paths": [path] }, "charge": [], "encoded_slash": mode });
    let both = |first: Value, second: Value| policy(json!({ "rules": [first, second] }));
    let apart = both(rule("kept", "/npm/*", "keep"), rule("decoded", "/git/**", "decode"));
    check(&apart, &[("/npm/a%2fb", "kept"), ("/git/a%2fb", "decoded"), ("/c%2fd", "400")]);
    // The second rule says that its paths are decoded, and a decoded one belongs to the first.
    let login = both(rule("login", "/a/b", "keep"), rule("rest", "/**", "decode"));
    check(&login, &[("/a%2fb", "400"), ("/a%2fc", "rest"), ("/a/b", "login")]);
    let decoded = both(rule("login", "/a/b", "decode"), rule("rest", "/**", "keep"));
    check(&decoded, &[("/a%2fb", "login"), ("/a%2fc", "rest")]);
}

#[test]
fn rules_that_continue_neither_accept_nor_reject_what_they_match_anyway() {
    let base = json!({ "name": "base", "charge": ["b"], "continue": true });
    let with = |rules: &[Value]| {
        let all: Vec<_> = std::iter::once(&base).chain(rules).collect();
        policy(json!({ "rules": all }))
    };
    let npm = json!({ "name": "npm", "match": { "paths": ["/npm/*"] }, "charge": [], "encoded_slash": "keep" });
    check(&with(&[npm]), &[("/npm/a%2fb", "base+npm"), ("/a%2fb", "400"), ("/a", "base")]);
    let narrow = json!({ "name": "more", "match": { "paths": ["/npm/a/*"] }, "charge": ["b"], "continue": true });
    let npm = json!({ "name": "npm", "match": { "paths": ["/npm/*"] }, "charge": [], "encoded_slash": "keep" });
    check(&with(&[narrow, npm]), &[("/npm/a%2fb", "400"), ("/npm/c%2fb", "base+npm")]);
    let kept = json!({ "name": "kept", "match": { "paths": ["/k/*"] }, "charge": ["b"], "continue": true, "encoded_slash": "keep" });
    check(&with(&[kept]), &[("/k/a%2fb", "base+kept"), ("/l/a%2fb", "400")]);
}

#[test]
fn exemptions_follow_the_policy() {
    let with = |mode: &str| {
        policy(json!({
            "encoded_slash": mode,
            "exempt": [{ "paths": ["/npm/*"] }, { "methods": ["OPTIONS"] }],
            "rules": [{ "name": "all", "charge": ["b"], "encoded_slash": "keep" }],
        }))
    };
    check(&with("keep"), &[("/npm/a%2fb", "exempt[0]"), ("/a%2fb", "all")]);
    check(&with("reject"), &[("/npm/a%2fb", "400"), ("/a%2fb", "all")]);
}
