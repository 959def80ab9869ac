//! The response headers: the request's id, retry advice, and the remaining rate limits.
//!
//! Pure; read by [`crate::http`], used by [`crate::retry`] and [`crate::pace`].

use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use std::time::Duration;

/// The longest request id that is kept, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 100;

/// The number of limits the service reports.
pub(crate) const LIMITS: usize = 4;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// For each limit, the headers with the remaining amount and the time of its reset.
const LIMIT_HEADERS: [(HeaderName, HeaderName); LIMITS] = [
    (
        HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
        HeaderName::from_static("anthropic-ratelimit-requests-reset"),
    ),
    (
        HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
    ),
    (
        HeaderName::from_static("anthropic-ratelimit-input-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-input-tokens-reset"),
    ),
    (
        HeaderName::from_static("anthropic-ratelimit-output-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-output-tokens-reset"),
    ),
];

/// The parsed response headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) request_id: Option<String>,
    pub(crate) should_retry: Option<bool>,
    pub(crate) retry_after: Option<Duration>,
    /// `None` for a limit the response does not mention.
    pub(crate) limits: [Option<Left>; LIMITS],
}

/// The remaining capacity of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Some,
    /// Nothing is left for this long.
    Nothing(Duration),
}

impl Head {
    /// Parses the headers. `today` is the wall-clock time, used if the response has no `Date`.
    pub(crate) fn read(headers: &HeaderMap, today: Timestamp) -> Self {
        let today = text(headers, &header::DATE).and_then(http_date).unwrap_or(today);
        Self {
            request_id: text(headers, &REQUEST_ID).and_then(request_id),
            should_retry: text(headers, &SHOULD_RETRY).and_then(|value| value.parse().ok()),
            retry_after: retry_after(headers, today),
            limits: LIMIT_HEADERS.map(|names| left(headers, &names, today)),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn request_id(id: &str) -> Option<String> {
    (!id.is_empty() && id.len() <= MAX_REQUEST_ID_BYTES).then(|| id.to_owned())
}

/// Reads the wait in milliseconds, in seconds, or as a date (RFC 9110 §10.2.3), in this order.
fn retry_after(headers: &HeaderMap, today: Timestamp) -> Option<Duration> {
    let number = |text: &str, unit_s: f64| {
        let seconds = text.parse::<f64>().ok()? * unit_s;
        Duration::try_from_secs_f64(seconds).ok()
    };
    let in_ms = text(headers, &RETRY_AFTER_MS).and_then(|text| number(text, 0.001));
    in_ms.or_else(|| {
        let value = text(headers, &header::RETRY_AFTER)?;
        number(value, 1.0).or_else(|| Some(until(http_date(value)?, today)))
    })
}

fn left(
    headers: &HeaderMap,
    (remaining, reset): &(HeaderName, HeaderName),
    today: Timestamp,
) -> Option<Left> {
    let remaining: u64 = text(headers, remaining)?.parse().ok()?;
    if remaining > 0 {
        return Some(Left::Some);
    }
    let reset: Timestamp = text(headers, reset)?.parse().ok()?;
    Some(Left::Nothing(until(reset, today)))
}

/// Returns the time from `today` until `then`; zero if `then` has passed.
fn until(then: Timestamp, today: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(today)).unwrap_or_default()
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const TODAY: &str = "2026-11-25T12:00:00Z";

    fn read(headers: &[(&'static str, &'static str)]) -> Head {
        let named =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        Head::read(&headers.iter().map(named).collect(), TODAY.parse().unwrap())
    }

    #[test]
    fn without_headers_everything_is_unknown() {
        assert_eq!(read(&[]), Head::default());
    }

    #[test]
    fn the_wait_is_read_from_three_forms() {
        let check = |headers: &[_], expected_ms: Option<u64>| {
            let expected = expected_ms.map(Duration::from_millis);
            assert_eq!(read(headers).retry_after, expected, "{headers:?}");
        };
        check(&[("retry-after", "7")], Some(7_000));
        check(&[("retry-after", "0.5")], Some(500));
        check(&[("retry-after", "7"), ("retry-after-ms", "12")], Some(12));
        check(&[("retry-after", "7"), ("retry-after-ms", "soon")], Some(7_000));
        check(&[("retry-after", "Wed, 25 Nov 2026 12:00:30 GMT")], Some(30_000));
        check(&[("retry-after", "Wed, 25 Nov 2026 11:00:00 GMT")], Some(0));
        for odd in ["", "soon", "-1", "NaN", "inf", "1e300"] {
            check(&[("retry-after", odd)], None);
            check(&[("retry-after-ms", odd)], None);
        }
    }

    #[test]
    fn retry_advice_is_true_or_false() {
        for (value, expected) in [("true", Some(true)), ("false", Some(false)), ("1", None)] {
            assert_eq!(read(&[("x-should-retry", value)]).should_retry, expected, "{value}");
        }
    }

    #[test]
    fn a_limit_is_exhausted_until_its_reset() {
        let check = |headers: &[_], expected: [Option<Left>; LIMITS]| {
            assert_eq!(read(headers).limits, expected, "{headers:?}");
        };
        let nothing_s = |s| Some(Left::Nothing(Duration::from_secs(s)));
        check(
            &[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2026-11-25T12:00:01Z"),
                ("anthropic-ratelimit-tokens-remaining", "0"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-25T12:00:20Z"),
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                ("anthropic-ratelimit-input-tokens-reset", "2026-11-25T11:59:00Z"),
                ("anthropic-ratelimit-output-tokens-remaining", "0"),
            ],
            [Some(Left::Some), nothing_s(20), nothing_s(0), None],
        );
        check(&[("anthropic-ratelimit-requests-remaining", "few")], [None; LIMITS]);
    }

    #[test]
    fn times_are_measured_on_the_services_clock() {
        let head = read(&[
            ("date", "Wed, 25 Nov 2026 09:00:00 GMT"),
            ("anthropic-ratelimit-output-tokens-remaining", "0"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-11-25T09:00:05Z"),
        ]);
        assert_eq!(head.limits[3], Some(Left::Nothing(Duration::from_secs(5))));
    }

    #[test]
    fn an_overlong_request_id_is_ignored() {
        assert_eq!(read(&[("request-id", "req_1")]).request_id.as_deref(), Some("req_1"));
        assert_eq!(read(&[("request-id", "")]).request_id, None);
        assert_eq!(request_id(&"r".repeat(101)), None);
    }
}
