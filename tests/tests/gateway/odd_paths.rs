//! Paths that servers read in different ways, in each mode: none escapes its rule.

use serde_json::{Value, json};
use tests::gateway::{Gateway, Options, shipped_policy};
use tests::upstream::Upstream;

/// The modes, in the order of the columns of the table, which the unit tests use too.
const MODES: [(&str, &str); 3] = [("reject", "reject"), ("keep", "keep"), ("decode", "keep")];
const SPELLINGS: &str = include_str!("../../../limits/tests/spellings.txt");

/// Paths with a stray `%`, with their outcomes. Envoy decodes the rest and escapes the stray one, so
/// that neither can become a login.
const CHANGED_BY_ENVOY: [(&str, &str); 2] =
    [("/api/auth/%%6cogin", "-OO"), ("/api/auth/%6%63ogin", "OOO")];

/// Starts a gateway that charges logins to the bucket `auth` and everything else to `public`.
/// Envoy leaves escaped slashes to the filter.
fn start(upstream: &Upstream, (encoded_slash, undecodable): (&str, &str)) -> Gateway {
    let mut policy = shipped_policy();
    policy["shim"]["timeout"] = json!("10s");
    policy["encoded_slash"] = json!(encoded_slash);
    policy["undecodable"] = json!(undecodable);
    policy["rules"] = json!([
        { "match": { "paths": ["/api/auth/login"] }, "charge": ["auth"] },
        { "charge": ["public"] },
    ]);
    for bucket in ["auth", "public"] {
        policy["buckets"][bucket]["limit"] = json!(10_000);
    }
    let edit: fn(&mut Value) = |envoy| {
        let http = harness::envoy_config::http_connection_manager(envoy).unwrap();
        http["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
    };
    let upstream = Some(upstream.addr());
    Gateway::start(&Options { policy, upstream, edit, ..Options::default() }).unwrap()
}

/// Sends a request. Returns the outcome as in the table, and the path that the upstream saw.
fn send(gateway: &Gateway, path: &str) -> (char, String) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
    let answer = gateway.client().send_bytes(head.as_bytes()).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    let policy = head.lines().find_map(|line| line.strip_prefix("ratelimit-policy: "));
    let outcome = match (status, policy.and_then(|policy| policy.split('"').nth(1))) {
        ("400", None) => '-',
        ("200", Some("auth")) => 'L',
        ("200", Some("public")) => 'O',
        _ => '?',
    };
    let line = body.lines().next().unwrap_or_default();
    (outcome, line.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// Returns true if an upstream reads `path` as a login. It decodes escaped slashes or keeps them,
/// and separates parameters first.
fn is_login(path: &str, decodes: bool) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let names = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    let text = names.collect::<Vec<_>>().join("/").to_lowercase();
    let text = match decodes {
        true => text.replace("%2f", "/").replace("%5c", "/"),
        false => text,
    };
    let text = text.replace("%6e", "n").replace("%61", "a").replace("%2e", ".");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    segments == ["api", "auth", "login"] && !path.contains("API")
}

#[test]
fn no_spelling_escapes_its_rule_in_any_mode() {
    let upstream = Upstream::start().unwrap();
    let mut wrong = Vec::new();
    for (column, mode) in MODES.into_iter().enumerate() {
        let gateway = start(&upstream, mode);
        let lines = SPELLINGS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let (expected, path) = line.split_once(' ').unwrap();
            let changed = CHANGED_BY_ENVOY.iter().find(|(changed, _)| *changed == path);
            let expected = changed.map_or(expected, |(_, outcomes)| *outcomes);
            let (outcome, seen) = send(&gateway, path);
            let login = is_login(&seen, mode.0 == "decode");
            if expected.chars().nth(column) != Some(outcome) || login && outcome != 'L' {
                wrong.push(format!("{mode:?} {path}: {outcome}, upstream saw {seen:?}: {line}"));
            }
        }
        assert_eq!(tests::gateway::crashes(&gateway.envoys[0]), 0);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
