//! The `anthropic-ratelimit-*` headers, with what remains of each limit in the current minute.
//!
//! Limits are counted but not enforced. A test that wants a 429 injects one ([`crate::faults`]).

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, PoisonError};

const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// Each limit's name and value per minute.
const LIMITS: [(&str, u64); 4] = [
    ("requests", 4_000),
    ("input-tokens", 2_000_000),
    ("output-tokens", 400_000),
    ("tokens", 2_400_000),
];

/// The usage in the current minute.
#[derive(Debug, Default)]
pub struct RateLimit(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    ends: Option<Timestamp>,
    requests: u64,
    input: u64,
    output: u64,
}

impl RateLimit {
    /// Counts a request with its `input` and `output` tokens, and returns the headers of its
    /// response at `now`.
    pub fn count(&self, input: u64, output: u64, now: Timestamp) -> HeaderMap {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = used.ends.filter(|ends| *ends > now);
        let ends = ends.unwrap_or_else(|| {
            *used = Used::default();
            now.checked_add(WINDOW).unwrap_or(now)
        });
        used.ends = Some(ends);
        used.requests += 1;
        used.input = used.input.saturating_add(input);
        used.output = used.output.saturating_add(output);
        let used = [used.requests, used.input, used.output, used.input.saturating_add(used.output)];
        let reset = ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut headers = HeaderMap::new();
        for ((name, limit), used) in LIMITS.into_iter().zip(used) {
            add(&mut headers, &format!("{name}-limit"), &limit.to_string());
            add(
                &mut headers,
                &format!("{name}-remaining"),
                &limit.saturating_sub(used).to_string(),
            );
            add(&mut headers, &format!("{name}-reset"), &reset);
        }
        headers
    }
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::try_from(format!("anthropic-ratelimit-{name}"));
    if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_shrinks_until_the_minute_ends() {
        let limit = RateLimit::default();
        let start: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let headers = limit.count(10, 5, start);
        let shown: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-01-02T03:05:05Z
        anthropic-ratelimit-input-tokens-limit: 2000000
        anthropic-ratelimit-input-tokens-remaining: 1999990
        anthropic-ratelimit-input-tokens-reset: 2026-01-02T03:05:05Z
        anthropic-ratelimit-output-tokens-limit: 400000
        anthropic-ratelimit-output-tokens-remaining: 399995
        anthropic-ratelimit-output-tokens-reset: 2026-01-02T03:05:05Z
        anthropic-ratelimit-tokens-limit: 2400000
        anthropic-ratelimit-tokens-remaining: 2399985
        anthropic-ratelimit-tokens-reset: 2026-01-02T03:05:05Z
        ");
        let left = |headers: &HeaderMap| {
            headers["anthropic-ratelimit-input-tokens-remaining"].to_str().unwrap().to_owned()
        };
        assert_eq!(left(&limit.count(10, 5, at(59))), "1999980");
        assert_eq!(left(&limit.count(10, 5, at(60))), "1999990");
        assert_eq!(left(&limit.count(u64::MAX / 2, 5, at(61))), "0");
    }
}
