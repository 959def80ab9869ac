//! How long a call may take.
//!
//! Called by [`super::decide`] and [`super::settle`].

use axum::http::HeaderMap;
use std::time::Duration;

/// Envoy's word for how long it will wait, in milliseconds.
const EXPECTED_TIMEOUT: &str = "x-envoy-expected-rq-timeout-ms";
/// For callers that do not say, and the longest for those that do.
const LONGEST: Duration = Duration::from_secs(1);

/// The time that the caller is willing to wait, within bounds.
pub(super) fn of(headers: &HeaderMap) -> Duration {
    headers
        .get(EXPECTED_TIMEOUT)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .filter(|ms| *ms > 0)
        .map_or(LONGEST, |ms| Duration::from_millis(ms).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_caller_can_only_shorten_it() {
        for (value, expected_ms) in
            [("50", 50), ("1", 1), ("0", 1000), ("5000", 1000), ("-1", 1000), ("soon", 1000)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(EXPECTED_TIMEOUT, HeaderValue::from_static(value));
            assert_eq!(of(&headers), Duration::from_millis(expected_ms), "{value}");
        }
        assert_eq!(of(&HeaderMap::new()), LONGEST);
    }
}
