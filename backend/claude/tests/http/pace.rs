//! Pacing by what the service says is left.

use crate::ask::{asking, client, client_without_retries, error_of, question, settings};
use crate::recorded::Log;
use crate::reply::{Reply, message};
use crate::service::{Service, until};
use claude::{Client, Kind, Request, Settings};
use std::time::Duration;
use tokio::time::Instant;

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

#[tokio::test]
async fn who_has_waited_for_a_turn_is_held_back_by_what_the_call_before_found() {
    let service = Service::gated([used_up_until("2026-11-25T12:00:45Z")]).await;
    let client = Client::new(Settings { max_concurrent: 1, ..settings(&service) }).unwrap();
    let first = asking(&client);
    service.until_asked(1).await;
    let second = asking(&client);
    service.let_through(2);
    assert!(first.await.unwrap().is_ok());
    assert_eq!(second.await.unwrap().unwrap_err().kind(), Kind::Paced);
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn an_open_breaker_is_told_before_anything_is_waited_for() {
    let replies = [used_up_until("2026-11-25T12:00:20Z"), Reply::error(401, "", &[])];
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

/// The wait begins when the answer comes, so no later than the test's own clock says.
#[tokio::test]
async fn while_nothing_is_left_for_a_moment_calls_wait() {
    let service =
        Service::start([used_up_until("2026-11-25T12:00:00.2Z"), Reply::text("Again.")]).await;
    let client = client(&service);
    let begun = Instant::now();
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
async fn a_retry_waits_for_the_limits_too() {
    let log = Log::start();
    let headers = [DATE, NOTHING, (RESET, "2026-11-25T12:00:20Z"), ("retry-after-ms", "1")];
    let service = Service::start([Reply::error(529, "overloaded_error", &headers)]).await;
    let _call = asking(&client(&service));
    until("it waits", || log.text().contains("claude is asked again")).await;
    let text = log.text();
    let (_, pause_ms) = text.split_once("pause_ms=").unwrap();
    let pause_ms: u64 = pause_ms.split_whitespace().next().unwrap().parse().unwrap();
    assert!((1_000..=20_000).contains(&pause_ms), "{pause_ms}");
}

#[tokio::test]
async fn a_retry_that_would_wait_too_long_for_the_limits_is_none() {
    let headers = [DATE, NOTHING, (RESET, "2026-11-25T12:00:45Z"), ("retry-after-ms", "1")];
    let service = Service::start([Reply::error(529, "overloaded_error", &headers)]).await;
    let settings = Settings { max_wait: Duration::from_secs(1), ..settings(&service) };
    let error = error_of(&Client::new(settings).unwrap()).await;
    assert_eq!((error.kind(), error.attempts(), service.count()), (Kind::Overloaded, 1, 1));
    assert!(error.retry_after().unwrap() > Duration::from_secs(1), "{error}");
}
