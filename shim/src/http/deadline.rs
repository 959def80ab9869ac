//! The timeout of a call.
//!
//! Called by [`super::calls`].

use axum::http::HeaderMap;
use std::time::Duration;

/// The header in which Envoy announces its own timeout, in milliseconds.
const EXPECTED_TIMEOUT: &str = "x-envoy-expected-rq-timeout-ms";

/// Returns the caller's timeout, or `longest` if the header is missing, invalid or larger.
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
    fn a_caller_can_only_shorten_the_timeout() {
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
