//! Any texts as a policy's fields: path patterns, hosts, days, time zones and durations. Each is
//! refused with a message, or means what a plain model says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limits::host::{self, HostPattern};
use limits::path::NormalPath;
use limits::policy::{Policy, PolicyErrors};
use limits::quota::{Anchor, MAX_WINDOW_MS, Period, Quota, TimeZone};
use serde_json::json;
use tollgate_fuzz::FuzzRequest;

/// The longest message about one text: 64 characters of it, each escaped with up to 10, and the rest.
const MAX_MESSAGE: usize = 800;

// The input is the texts of the fields, separated by zero bytes.
fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut parts = text.split('\0');
    let mut next = || parts.next().unwrap_or_default();
    pattern(next(), next());
    hosts(next(), next());
    anchor(next());
    time_zone(next());
    duration(next());
});

/// Returns a policy that charges requests to `paths` within `window`.
fn policy(paths: &str, window: &str) -> Result<Policy, PolicyErrors> {
    let matching = if paths.is_empty() { json!({}) } else { json!({ "paths": [paths] }) };
    Policy::from_value(json!({
        "version": 1,
        "keys": { "all": { "constant": "all" } },
        "buckets": { "a": { "key": "all", "limit": 1, "window": window } },
        "rules": [{ "match": matching, "charge": ["a"] }],
    }))
}

/// A pattern matches the same paths as one that tries every length for each `*`.
fn pattern(pattern: &str, path: &str) {
    if pattern.is_empty() {
        return;
    }
    let policy = match policy(pattern, "1m") {
        Ok(policy) => policy,
        Err(errors) => return has_message(&errors),
    };
    let mut request = FuzzRequest::known(0, 0);
    request.path = path.into();
    let plan = policy.plan(&request);
    match NormalPath::parse(path.as_bytes()) {
        Ok(normal) => {
            let segments: Vec<&str> =
                pattern.split('/').filter(|segment| !segment.is_empty()).collect();
            let found: Vec<&str> = normal.segments().iter().map(String::as_str).collect();
            let matches = plan.expect("a valid path").matched.rules().count() == 1;
            assert_eq!(matches, fits(&segments, &found), "{pattern} {path}");
        }
        Err(bad) => assert_eq!(plan.map(|plan| plan.matched), Err(bad)),
    }
}

fn fits(pattern: &[&str], found: &[&str]) -> bool {
    match pattern.split_first() {
        None => found.is_empty(),
        Some((&"**", rest)) => (0..=found.len()).any(|from| fits(rest, &found[from..])),
        Some((first, rest)) => found
            .split_first()
            .is_some_and(|(segment, others)| is_like(first, segment) && fits(rest, others)),
    }
}

/// Returns true if `text` matches `pattern`, in which `*` stands for any text.
fn is_like(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // For each length, whether the beginning of the text matches the beginning of the pattern.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for letter in pattern.chars() {
        if letter == '*' {
            let first = reached.iter().position(|is| *is).unwrap_or(reached.len());
            reached.iter_mut().skip(first).for_each(|is| *is = true);
        } else {
            for at in (0..text.len()).rev() {
                reached[at + 1] = reached[at] && text[at] == letter;
            }
            reached[0] = false;
        }
    }
    reached.last() == Some(&true)
}

/// A host's normal form stays the same, and a pattern matches its own name or what is below it.
fn hosts(pattern: &str, host: &str) {
    let normal = host::normal(host.as_bytes());
    let Ok(parsed) = HostPattern::parse(pattern) else { return };
    let name = pattern.to_ascii_lowercase();
    let expected = match name.strip_prefix("*.") {
        Some(name) => {
            normal.strip_suffix(name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        None => normal == name,
    };
    assert_eq!(parsed.matches(&normal), expected, "{pattern} {host}");
}

/// A day fits its period, and stays the same when written and read again.
fn anchor(text: &str) {
    for per in [Period::Week, Period::Month, Period::Year] {
        match Anchor::parse(per, text) {
            Ok(anchor) => {
                assert!(anchor.fits(per), "{text}");
                assert_eq!(Anchor::find(per, text), Some(anchor));
                let written = anchor.to_string();
                assert!(anchor.is_first() || Anchor::find(per, &written) == Some(anchor));
                let value = serde_json::to_value(anchor).expect("a value");
                assert_eq!(serde_json::from_value::<Anchor>(value).expect("an anchor"), anchor);
            }
            Err(bad) => assert!((1..MAX_MESSAGE).contains(&bad.to_string().len())),
        }
    }
    assert!(Anchor::find(Period::Day, text).is_none());
}

/// A time zone is named as the database names it, except for case.
fn time_zone(text: &str) {
    match TimeZone::named(text) {
        Ok(zone) => assert!(zone.name().eq_ignore_ascii_case(text), "{text}"),
        Err(bad) => assert!((1..MAX_MESSAGE).contains(&bad.to_string().len())),
    }
}

/// A duration is a number and a unit, from 1 ms to 366 days.
fn duration(text: &str) {
    let unit_ms = |unit| match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let (digits, unit) =
        text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let expected = digits.parse::<u64>().ok().zip(unit_ms(unit)).and_then(|(number, unit_ms)| {
        let ms = u128::from(number) * unit_ms;
        (1..=u128::from(MAX_WINDOW_MS)).contains(&ms).then_some(ms)
    });
    match policy("", text) {
        Ok(policy) => {
            let plan = policy.plan(&FuzzRequest::known(0, 0)).expect("a valid path");
            let Quota::SlidingWindow(window) = plan.charges[0].charge.quota else {
                panic!("expected a sliding window")
            };
            assert_eq!(Some(u128::from(window.window_ms.get())), expected, "{text}");
        }
        Err(errors) => {
            assert_eq!(expected, None, "{text}: {errors}");
            has_message(&errors);
        }
    }
}

fn has_message(errors: &PolicyErrors) {
    assert!(!errors.0.is_empty());
    assert!(errors.0.iter().all(|error| !error.message.is_empty()), "{errors}");
}
