//! Decides if and when to retry, by the rules of the official clients.
//!
//! Pure; called by [`crate::call`] after each failed attempt.
//!
//! One rule is stricter than theirs: a call that timed out is not retried. The service cannot
//! recognize a repeated call, so it could be billed twice, and the user has waited long enough.
//!
//! # Source
//! The official Python client, 0.121.0. It retries twice and obeys `x-should-retry`. Without that
//! header it retries 408, 409, 429, 5xx and broken connections. It waits for `retry-after-ms` or
//! `retry-after` if that is at most a minute. Otherwise it waits half a second, doubling up to 8 s,
//! minus a jitter of up to a quarter.

use crate::error::ClaudeError;
use crate::kind::Kind;
use std::time::Duration;

/// The longest wait the service can ask for.
const MAX_ASKED: Duration = Duration::from_secs(60);
/// The first backoff, if the service asks for no wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest backoff.
const LONGEST: Duration = Duration::from_secs(8);
/// The random fraction of a backoff.
const JITTER: f64 = 0.25;

/// Returns how long to wait before retrying after `error`, or `None` if it should not be retried.
///
/// `retries`: the number of retries so far. `chance`: a uniform random number from 0 to 1.
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

    fn response(status: u16) -> ClaudeError {
        ClaudeError::new(Kind::from_service(Some(status), None), "").with_status(status)
    }

    fn is_retried(error: &ClaudeError) -> bool {
        pause(error, 0, 2, 0.0).is_some()
    }

    #[test]
    fn transient_errors_are_retried() {
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert!(is_retried(&response(status)), "{status}");
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
    fn permanent_errors_are_not_retried() {
        for status in [302, 400, 401, 402, 403, 404, 413, 418] {
            assert!(!is_retried(&response(status)), "{status}");
        }
        for kind in [Kind::TimedOut, Kind::NotUnderstood, Kind::AnswerTooLarge, Kind::Busy] {
            assert!(!is_retried(&ClaudeError::new(kind, "")), "{kind:?}");
        }
    }

    #[test]
    fn the_services_advice_wins_except_at_the_spend_limit() {
        let check = |error: ClaudeError, should_retry, expected| {
            let error = error.with_should_retry(should_retry);
            assert_eq!(is_retried(&error), expected, "{error} {should_retry:?}");
        };
        check(response(529), Some(false), false);
        check(response(400), Some(true), true);
        let spent = ClaudeError::new(Kind::SpendLimit, "").with_status(429);
        check(spent.clone(), None, false);
        check(spent, Some(true), false);
    }

    #[test]
    fn the_wait_is_the_one_asked_for_or_else_doubles() {
        let check = |asked_ms: Option<u64>, retries, chance, expected_ms| {
            let error = response(529).with_retry_after(asked_ms.map(Duration::from_millis));
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
    fn retries_are_limited() {
        assert!(pause(&response(529), 1, 2, 0.0).is_some());
        assert!(pause(&response(529), 2, 2, 0.0).is_none());
        assert!(pause(&response(529), 0, 0, 0.0).is_none());
    }
}
