//! Pacing by the service's rate limit headers.

use crate::ask::{client, client_without_retries, error_of, question, settings, spawn_call};
use crate::recorded::Log;
use crate::reply::{Reply, message};
use crate::service::{Service, wait_until};
use claude::{Client, Kind, Request, Settings};
use std::time::Duration;
use tokio::time::Instant;

const DATE: (&str, &str) = ("date", "Wed, 25 Nov 2026 12:00:00 GMT");
const NOTHING: (&str, &str) = ("anthropic-ratelimit-output-tokens-remaining", "0");
const RESET: &str = "anthropic-ratelimit-output-tokens-reset";

fn exhausted_until(reset: &'static str) -> Reply {
    Reply::message(&message("Yes."), &[DATE, NOTHING, (RESET, reset)])
}

#[tokio::test]
async fn calls_fail_while_a_limit_is_exhausted_for_long() {
    let service = Service::start([exhausted_until("2026-11-25T12:00:45Z")]).await;
    let client = client(&service);
    client.send(&question()).await.unwrap();
    let error = error_of(&client).await;
    assert_eq!((error.kind(), error.attempts(), service.count()), (Kind::Paced, 0, 1));
    let wait = error.retry_after().unwrap();
    assert!(wait > Duration::from_secs(1) && wait <= Duration::from_secs(45), "{wait:?}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn limits_are_per_model() {
    let service = Service::start([exhausted_until("2026-11-25T12:00:45Z")]).await;
    let client = client(&service);
    client.send(&question()).await.unwrap();
    let other = Request { model: "claude-sonnet-5-5".to_owned(), ..question() };
    assert!(client.send(&other).await.is_ok());
}

#[tokio::test]
async fn a_call_checks_the_limits_again_once_it_has_a_slot() {
    let service = Service::gated([exhausted_until("2026-11-25T12:00:45Z")]).await;
    let client = Client::new(Settings { max_concurrent: 1, ..settings(&service) }).unwrap();
    let first = spawn_call(&client);
    service.wait_for_requests(1).await;
    let second = spawn_call(&client);
    service.let_through(2);
    assert!(first.await.unwrap().is_ok());
    assert_eq!(second.await.unwrap().unwrap_err().kind(), Kind::Paced);
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn an_open_breaker_fails_calls_without_waiting() {
    let replies = [exhausted_until("2026-11-25T12:00:20Z"), Reply::error(401, "", &[])];
    let service = Service::start(replies).await;
    let client = client(&service);
    client.send(&question()).await.unwrap();
    let other = Request { model: "claude-sonnet-5-5".to_owned(), ..question() };
    client.send(&other).await.unwrap_err();
    tokio::time::pause();
    let before = Instant::now();
    assert_eq!(error_of(&client).await.kind(), Kind::BreakerOpen);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

/// The wait begins when the answer arrives, which is after `begun`.
#[tokio::test]
async fn calls_wait_while_a_limit_is_exhausted_briefly() {
    let service =
        Service::start([exhausted_until("2026-11-25T12:00:00.2Z"), Reply::text("Again.")]).await;
    let client = client(&service);
    let begun = Instant::now();
    client.send(&question()).await.unwrap();
    assert_eq!(client.send(&question()).await.unwrap().text, "Again.");
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn no_calls_are_sent_after_a_429() {
    let limited = Reply::error(429, "rate_limit_error", &[("retry-after", "50")]);
    let service = Service::start([limited]).await;
    let client = client_without_retries(&service);
    assert_eq!(error_of(&client).await.kind(), Kind::RateLimited);
    assert_eq!(error_of(&client).await.kind(), Kind::Paced);
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn a_retry_waits_for_the_limits() {
    let log = Log::start();
    let headers = [DATE, NOTHING, (RESET, "2026-11-25T12:00:20Z"), ("retry-after-ms", "1")];
    let service = Service::start([Reply::error(529, "overloaded_error", &headers)]).await;
    let _call = spawn_call(&client(&service));
    wait_until("the call waits", || log.text().contains("retrying the call to claude")).await;
    let text = log.text();
    let (_, pause_ms) = text.split_once("pause_ms=").unwrap();
    let pause_ms: u64 = pause_ms.split_whitespace().next().unwrap().parse().unwrap();
    assert!((1_000..=20_000).contains(&pause_ms), "{pause_ms}");
}

#[tokio::test]
async fn a_call_is_not_retried_if_the_limits_take_too_long_to_reset() {
    let headers = [DATE, NOTHING, (RESET, "2026-11-25T12:00:45Z"), ("retry-after-ms", "1")];
    let service = Service::start([Reply::error(529, "overloaded_error", &headers)]).await;
    let settings = Settings { max_wait: Duration::from_secs(1), ..settings(&service) };
    let error = error_of(&Client::new(settings).unwrap()).await;
    assert_eq!((error.kind(), error.attempts(), service.count()), (Kind::Overloaded, 1, 1));
    assert!(error.retry_after().unwrap() > Duration::from_secs(1), "{error}");
}
