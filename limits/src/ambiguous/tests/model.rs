//! Compares acceptance with plain models of two servers: one that keeps escaped slashes, and one
//! that decodes them. They share no code with the crate's normalization.

use super::{leaked, policy};
use crate::path::NormalPath;
use crate::plan::tests::FakeRequest;
use proptest::prelude::*;
use serde_json::json;

const PARTS: [&str; 15] = [
    "/", "/", "a", "b", "%2f", "%2F", "%5c", "..", ".", "%2e", "%", "%ff", ";x", "%252f", "%c0%af",
];
const PATTERNS: [&str; 8] = ["/**", "/a", "/a/b", "/a/*", "/*/b", "/a/**", "/b/**", "/*"];
const MODES: [&str; 3] = ["reject", "keep", "decode"];

/// Returns the segments that a server sees. It separates parameters before it decodes.
fn server(raw: &str, decodes_slashes: bool) -> Vec<Vec<u8>> {
    let mut path = Vec::new();
    for segment in raw.split(['/', '\\']) {
        path.push(b'/');
        let mut rest = segment.split(';').next().unwrap().as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
            match byte.filter(|_| *first == b'%') {
                Some(b'/' | b'\\') if decodes_slashes => path.push(b'/'),
                // A byte that cannot be mistaken for a plain slash.
                Some(b'/' | b'\\') => path.push(1),
                Some(byte) => path.push(byte),
                None => path.push(*first),
            }
            if byte.is_some() && *first == b'%' {
                rest = &after[2..];
            }
        }
    }
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment.to_vec()),
        }
    }
    segments
}

fn matches(pattern: &str, path: &[Vec<u8>]) -> bool {
    let pattern: Vec<_> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let (head, is_open) = match pattern.split_last() {
        Some((&"**", head)) => (head, true),
        _ => (pattern.as_slice(), false),
    };
    let fits = |(one, found): (&&str, &Vec<u8>)| *one == "*" || one.as_bytes() == found;
    (path.len() == head.len() || is_open && path.len() > head.len())
        && head.iter().zip(path).all(fits)
}

/// Returns the rule that applies to the path that a server sees.
fn first(rules: &[(usize, usize)], path: &[Vec<u8>]) -> Option<usize> {
    rules.iter().position(|(pattern, _)| matches(PATTERNS[*pattern], path))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn an_accepted_request_is_charged_as_the_upstream_reads_it(
        parts in prop::collection::vec(0..PARTS.len(), 0..9),
        rules in prop::collection::vec((0..PATTERNS.len(), 0..3usize), 1..5),
        (slash, keeps_bytes) in (0..3usize, any::<bool>()),
    ) {
        let raw = parts.iter().map(|part| PARTS[*part]).fold("/".to_owned(), |raw, part| raw + part);
        let undecodable = if keeps_bytes { "keep" } else { "reject" };
        let policy = policy(json!({
            "encoded_slash": MODES[slash], "undecodable": undecodable,
            "rules": rules.iter().map(|(pattern, mode)| json!({
                "match": { "paths": [PATTERNS[*pattern]] }, "charge": [], "encoded_slash": MODES[*mode],
            })).collect::<Vec<_>>(),
        }));
        let strict = NormalPath::parse(raw.as_bytes());
        let plan = policy.plan(&FakeRequest::get(leaked(&raw)));
        let modes = rules.iter().map(|(_, mode)| MODES[*mode]).chain([MODES[slash]]);
        if modes.clone().all(|mode| mode == "reject") && !keeps_bytes || strict.is_ok() {
            prop_assert_eq!(plan.is_ok(), strict.is_ok(), "{}", raw);
        }
        let Ok(plan) = plan else { return Ok(()) };
        let [kept, decoded] = [false, true].map(|decodes| first(&rules, &server(&raw, decodes)));
        let mode = plan.matched.rule.map_or(MODES[slash], |at| MODES[rules[at].1]);
        let has_slash = server(&raw, true) != server(&raw, false);
        match mode {
            _ if strict.is_ok() => prop_assert_eq!(plan.matched.rule, kept, "{}", raw),
            "keep" => prop_assert_eq!(plan.matched.rule, kept, "{}", raw),
            "decode" => prop_assert_eq!(plan.matched.rule, decoded, "{}", raw),
            _ => prop_assert!(!has_slash, "{raw}"),
        }
        // A rule that rejects is not bypassed, however the upstream reads the path.
        for (at, (pattern, mode)) in rules.iter().enumerate() {
            let answers = [false, true].map(|decodes| matches(PATTERNS[*pattern], &server(&raw, decodes)));
            let is_before = plan.matched.rule.is_none_or(|end| at <= end);
            if MODES[*mode] == "reject" && has_slash && is_before && strict.is_err() {
                prop_assert_eq!(answers, [false, false], "{} rule {}", raw, at);
            }
        }
    }
}
