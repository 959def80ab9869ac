//! Whether to try again, and when: the rules of the service's own clients.
//!
//! Pure; asked by [`crate::call`] after each attempt that failed.
//!
//! One rule is stricter than theirs: a call that has timed out is not made again. The service has
//! no way to recognize it, so it may be paid for twice, and whoever waits for it has waited long.
//!
//! # Source
//! The official Python client, 0.121.0: two retries; `x-should-retry` is obeyed; else 408, 409, 429,
//! 5xx and broken connections are retried, after `retry-after-ms` or `retry-after` where that is
//! at most a minute, else after half a second that doubles up to 8 s, less up to a quarter.

use crate::error::ClaudeError;
use crate::kind::Kind;
use std::time::Duration;

/// The longest wait that the service can ask for.
const MAX_ASKED: Duration = Duration::from_secs(60);
/// The first wait, where it asks for none.
const FIRST: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_secs(8);
/// How much of a wait is left to chance.
const JITTER: f64 = 0.25;

/// How long to wait before trying again after `error`; `None`: not at all.
///
/// `retries`: how often it was tried again. `chance`: 0 to 1, evenly spread.
pub(crate) fn pause(
    error: &ClaudeError,
    retries: u32,
    max_retries: u32,
    chance: f64,
) -> Option<Duration> {
    if retries >= max_retries || !is_worth_it(error) {
        return None;
    }
    let asked = error.retry_after().filter(|wait| !wait.is_zero() && *wait <= MAX_ASKED);
    Some(asked.unwrap_or_else(|| backoff(retries, chance)))
}

fn is_worth_it(error: &ClaudeError) -> bool {
    if error.kind() == Kind::SpendLimit {
        return false;
    }
    let by_status = matches!(error.status(), Some(408 | 409 | 429 | 500..));
    let by_kind = matches!(
        error.kind(),
        Kind::Connect
            | Kind::Broken
            | Kind::RateLimited
            | Kind::Service
            | Kind::ServiceTimedOut
            | Kind::Overloaded
    );
    error.should_retry().unwrap_or(by_status || by_kind)
}

fn backoff(retries: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(retries));
    doubled.min(LONGEST).mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16) -> ClaudeError {
        ClaudeError::new(Kind::told(Some(status), None), "").with_status(status)
    }

    fn is_retried(error: &ClaudeError) -> bool {
        pause(error, 0, 2, 0.0).is_some()
    }

    #[test]
    fn what_may_pass_is_retried() {
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert!(is_retried(&told(status)), "{status}");
        }
        let without_status = [
            Kind::Connect,
            Kind::Broken,
            Kind::RateLimited,
            Kind::Service,
            Kind::ServiceTimedOut,
            Kind::Overloaded,
        ];
        for kind in without_status {
            assert!(is_retried(&ClaudeError::new(kind, "")), "{kind:?}");
        }
    }

    #[test]
    fn what_will_not_pass_is_not() {
        for status in [302, 400, 401, 402, 403, 404, 413, 418] {
            assert!(!is_retried(&told(status)), "{status}");
        }
        for kind in [Kind::TimedOut, Kind::NotUnderstood, Kind::AnswerTooLarge, Kind::Busy] {
            assert!(!is_retried(&ClaudeError::new(kind, "")), "{kind:?}");
        }
    }

    #[test]
    fn the_service_has_the_last_word_but_on_spending() {
        let check = |error: ClaudeError, should_retry, expected| {
            let error = error.with_should_retry(should_retry);
            assert_eq!(is_retried(&error), expected, "{error} {should_retry:?}");
        };
        check(told(529), Some(false), false);
        check(told(400), Some(true), true);
        let spent = ClaudeError::new(Kind::SpendLimit, "").with_status(429);
        check(spent.clone(), None, false);
        check(spent, Some(true), false);
    }

    #[test]
    fn the_wait_is_the_one_asked_for_and_else_doubles() {
        let check = |asked_ms: Option<u64>, retries, chance, expected_ms| {
            let error = told(529).with_retry_after(asked_ms.map(Duration::from_millis));
            let expected = Duration::from_millis(expected_ms);
            assert_eq!(pause(&error, retries, 9, chance), Some(expected), "{asked_ms:?} {retries}");
        };
        check(Some(1), 0, 0.5, 1);
        check(Some(60_000), 5, 0.5, 60_000);
        check(Some(60_001), 0, 0.0, 500);
        check(Some(0), 0, 0.0, 500);
        check(None, 0, 1.0, 375);
        check(None, 1, 0.0, 1_000);
        check(None, 3, 0.5, 3_500);
        check(None, 4, 0.0, 8_000);
        check(None, 8, 0.0, 8_000);
        check(None, 8, 1.0, 6_000);
        check(None, 8, 7.0, 6_000);
    }

    #[test]
    fn there_are_so_many_retries_and_no_more() {
        assert!(pause(&told(529), 1, 2, 0.0).is_some());
        assert!(pause(&told(529), 2, 2, 0.0).is_none());
        assert!(pause(&told(529), 0, 0, 0.0).is_none());
    }
}
