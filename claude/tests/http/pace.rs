//! Pacing by what the service says is left.

use crate::ask::{client, client_without_retries, error_of, question, settings};
use crate::reply::{Reply, message};
use crate::service::Service;
use claude::{Client, Kind, Request, Settings};
use std::time::Duration;

const DATE: (&str, &str) = ("date", "Wed, 25 Nov 2026 12:00:00 GMT");
const NOTHING: (&str, &str) = ("anthropic-ratelimit-output-tokens-remaining", "0");
const RESET: &str = "anthropic-ratelimit-output-tokens-reset";

fn used_up_until(reset: &'static str) -> Reply {
    Reply::message(&message("Yes."), &[DATE, NOTHING, (RESET, reset)])
}

#[tokio::test]
async fn while_nothing_is_left_for_long_nothing_is_sent() {
    let service = Service::start([used_up_until("2026-11-25T12:00:45Z")]).await;
    let client = client(&service);
    client.send(&question()).await.unwrap();
    let error = error_of(&client).await;
    assert_eq!((error.kind(), error.attempts(), service.count()), (Kind::Paced, 0, 1));
    let wait = error.retry_after().unwrap();
    assert!(wait > Duration::from_secs(1) && wait <= Duration::from_secs(45), "{wait:?}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn another_model_is_another_limit() {
    let service = Service::start([used_up_until("2026-11-25T12:00:45Z")]).await;
    let client = client(&service);
    client.send(&question()).await.unwrap();
    let other = Request { model: "claude-sonnet-5-5".to_owned(), ..question() };
    assert!(client.send(&other).await.is_ok());
}

/// The wait begins when the answer comes, so no later than the test's own clock says.
#[tokio::test]
async fn while_nothing_is_left_for_a_moment_calls_wait() {
    let service =
        Service::start([used_up_until("2026-11-25T12:00:00.2Z"), Reply::text("Again.")]).await;
    let client = client(&service);
    let begun = tokio::time::Instant::now();
    client.send(&question()).await.unwrap();
    assert_eq!(client.send(&question()).await.unwrap().text, "Again.");
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_refusal_for_the_number_is_not_followed_by_more_calls() {
    let limited = Reply::error(429, "rate_limit_error", &[("retry-after", "50")]);
    let service = Service::start([limited]).await;
    let client = client_without_retries(&service);
    assert_eq!(error_of(&client).await.kind(), Kind::RateLimited);
    assert_eq!(error_of(&client).await.kind(), Kind::Paced);
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn a_retry_is_paced_too() {
    let headers = [DATE, NOTHING, (RESET, "2026-11-25T12:00:45Z"), ("retry-after-ms", "1")];
    let service = Service::start([Reply::error(529, "overloaded_error", &headers)]).await;
    let settings = Settings { max_wait: Duration::from_secs(1), ..settings(&service) };
    let error = error_of(&Client::new(settings).unwrap()).await;
    assert_eq!((error.kind(), error.attempts(), service.count()), (Kind::Overloaded, 1, 1));
    assert!(error.retry_after().unwrap() > Duration::from_secs(1), "{error}");
}
