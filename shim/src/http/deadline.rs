//! How long a call may take.
//!
//! Called by [`super::calls`].

use axum::http::HeaderMap;
use std::time::Duration;

/// Envoy's word for how long it will wait, in milliseconds.
const EXPECTED_TIMEOUT: &str = "x-envoy-expected-rq-timeout-ms";

/// The time that the caller is willing to wait, if it says so; `longest` otherwise and at most.
pub(super) fn of(headers: &HeaderMap, longest: Duration) -> Duration {
    headers
        .get(EXPECTED_TIMEOUT)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .filter(|ms| *ms > 0)
        .map_or(longest, |ms| Duration::from_millis(ms).min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const LONGEST: Duration = Duration::from_secs(1);

    #[test]
    fn the_caller_can_only_shorten_it() {
        for (value, expected_ms) in
            [("50", 50), ("1", 1), ("0", 1000), ("5000", 1000), ("-1", 1000), ("soon", 1000)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(EXPECTED_TIMEOUT, HeaderValue::from_static(value));
            assert_eq!(of(&headers, LONGEST), Duration::from_millis(expected_ms), "{value}");
        }
        assert_eq!(of(&HeaderMap::new(), LONGEST), LONGEST);
    }
}
