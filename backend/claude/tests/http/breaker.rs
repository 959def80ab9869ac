//! The circuit breaker and `health`.

use crate::ask::{all_of, client, error_of, question, settings, spawn_call};
use crate::recorded::{Log, metrics};
use crate::reply::{Reply, saying, start};
use crate::service::{Service, wait_until};
use claude::{BreakerSettings, Client, Health, Kind, Settings};
use std::time::Duration;

/// Builds a client whose breaker opens after two failures, for 1 ms.
fn client_with_quick_breaker(service: &Service) -> Client {
    let pause = Duration::from_millis(1);
    let breaker = BreakerSettings { failures: 2, pause, max_pause: pause, ..Default::default() };
    Client::new(Settings { breaker, max_retries: 0, ..settings(service) }).unwrap()
}

/// Waits until the breaker admits a call.
async fn wait_until_admitted(client: &Client) {
    wait_until("the breaker's pause is over", || match client.health() {
        Health::Down { retry_after, .. } => retry_after.is_zero(),
        Health::Up => true,
    })
    .await;
}

#[tokio::test]
async fn repeated_failures_open_the_breaker() {
    let service = Service::start([Reply::error(529, "overloaded_error", &[])]).await;
    let (pause, max_pause) = (Duration::from_secs(600), Duration::from_secs(600));
    let breaker = BreakerSettings { pause, max_pause, ..Default::default() };
    let settings = Settings { breaker, max_retries: 0, ..settings(&service) };
    let client = Client::new(settings).unwrap();
    for _ in 0..5 {
        assert_eq!(client.health(), Health::Up);
        assert_eq!(error_of(&client).await.kind(), Kind::Overloaded);
    }
    for _ in 0..3 {
        let error = error_of(&client).await;
        assert_eq!((error.kind(), error.attempts()), (Kind::BreakerOpen, 0));
        assert!(error.retry_after().unwrap() <= pause && error.is_retryable());
        assert_eq!(client.stream(&question()).await.unwrap_err().kind(), Kind::BreakerOpen);
    }
    assert!(matches!(client.health(), Health::Down { because: Kind::Overloaded, .. }));
    assert_eq!(service.count(), 5);
}

#[tokio::test]
async fn a_spend_limit_is_not_retried_and_opens_the_breaker_for_long() {
    let service = Service::start([Reply::spent()]).await;
    let client = client(&service);
    assert_eq!(error_of(&client).await.kind(), Kind::SpendLimit);
    let Health::Down { because, retry_after } = client.health() else { panic!() };
    assert_eq!(because, Kind::SpendLimit);
    assert!(retry_after > Duration::from_secs(30), "{retry_after:?}");
    assert_eq!(error_of(&client).await.kind(), Kind::BreakerOpen);
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn a_bad_key_opens_the_breaker_at_once() {
    for status in [401, 402, 403] {
        let service = Service::start([Reply::error(status, "", &[])]).await;
        let client = client(&service);
        error_of(&client).await;
        assert_eq!(error_of(&client).await.kind(), Kind::BreakerOpen, "{status}");
    }
}

#[tokio::test]
async fn retries_end_when_the_breaker_opens() {
    let at_once = [("retry-after-ms", "1")];
    let service = Service::start([Reply::error(529, "overloaded_error", &at_once)]).await;
    let breaker = BreakerSettings { failures: 2, ..Default::default() };
    let client = Client::new(Settings { breaker, ..settings(&service) }).unwrap();
    let error = error_of(&client).await;
    assert_eq!((error.kind(), error.attempts(), service.count()), (Kind::Overloaded, 2, 2));
}

#[tokio::test]
async fn the_breaker_closes_once_a_probe_succeeds() {
    let failing = Reply::error(500, "api_error", &[]);
    let replies = [failing.clone(), failing.clone(), failing, Reply::text("Yes.")];
    let service = Service::start(replies).await;
    let client = client_with_quick_breaker(&service);
    for _ in 0..3 {
        wait_until_admitted(&client).await;
        assert_eq!(error_of(&client).await.kind(), Kind::Service);
    }
    wait_until_admitted(&client).await;
    assert!(matches!(client.health(), Health::Down { .. }));
    assert!(client.send(&question()).await.is_ok());
    assert_eq!(client.health(), Health::Up);
}

#[tokio::test]
async fn only_one_probe_runs_at_a_time() {
    let failing = Reply::error(500, "api_error", &[]);
    let service = Service::gated([failing.clone(), failing, Reply::text("Yes.")]).await;
    service.let_through(2);
    let client = client_with_quick_breaker(&service);
    error_of(&client).await;
    error_of(&client).await;
    wait_until_admitted(&client).await;

    let probe = spawn_call(&client);
    service.wait_for_requests(3).await;
    let error = error_of(&client).await;
    assert_eq!((error.kind(), error.retry_after()), (Kind::BreakerOpen, None));
    service.let_through(1);
    assert!(probe.await.unwrap().is_ok());
    assert_eq!((client.health(), service.count()), (Health::Up, 3));
}

#[tokio::test]
async fn an_abandoned_probe_lets_the_next_one_through() {
    let failing = Reply::error(500, "api_error", &[]);
    let service = Service::gated([failing.clone(), failing, Reply::text("Yes.")]).await;
    service.let_through(2);
    let client = client_with_quick_breaker(&service);
    error_of(&client).await;
    error_of(&client).await;
    wait_until_admitted(&client).await;

    let probe = spawn_call(&client);
    service.wait_for_requests(3).await;
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    service.let_through(2);
    assert!(client.send(&question()).await.is_ok());
}

#[tokio::test]
async fn streams_that_break_off_count_as_failures() {
    let service = Service::start([Reply::stream(&[start()])]).await;
    let client = client_with_quick_breaker(&service);
    for _ in 0..2 {
        all_of(client.stream(&question()).await.unwrap()).await;
    }
    assert!(matches!(client.health(), Health::Down { because: Kind::Broken, .. }));
}

#[tokio::test]
async fn an_answer_resets_the_failure_count() {
    let failing = Reply::error(500, "api_error", &[]);
    for answer in [Reply::stream(&saying("Yes.")), Reply::text("Yes.")] {
        let is_plain = answer == Reply::text("Yes.");
        let service = Service::start([failing.clone(), answer, failing.clone()]).await;
        let client = client_with_quick_breaker(&service);
        error_of(&client).await;
        if is_plain {
            client.send(&question()).await.unwrap();
        } else {
            all_of(client.stream(&question()).await.unwrap()).await;
        }
        error_of(&client).await;
        assert_eq!(client.health(), Health::Up);
    }
}

#[tokio::test]
async fn a_begun_stream_admits_other_calls() {
    let failing = Reply::error(500, "api_error", &[]);
    let replies =
        [failing.clone(), failing, Reply::open_stream(&[start()]), Reply::stream(&saying("Yes."))];
    let service = Service::start(replies).await;
    let client = client_with_quick_breaker(&service);
    error_of(&client).await;
    error_of(&client).await;
    wait_until_admitted(&client).await;
    let open = client.stream(&question()).await.unwrap();
    assert_eq!(client.health(), Health::Up);
    let events = all_of(client.stream(&question()).await.unwrap()).await;
    assert!(events.iter().all(Result::is_ok), "{events:?}");
    drop(open);
}

#[tokio::test]
async fn its_state_is_in_the_metrics_and_the_log() {
    let (recorder, metrics) = metrics();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let log = Log::start();
    let failing = Reply::error(500, "api_error", &[]);
    let service = Service::start([failing.clone(), failing, Reply::text("Yes.")]).await;
    let client = client_with_quick_breaker(&service);
    assert_eq!(metrics.lines("claude_breaker_open"), "claude_breaker_open 0");
    error_of(&client).await;
    error_of(&client).await;
    insta::assert_snapshot!(metrics.lines("claude_breaker_open"), @"claude_breaker_open 1");
    insta::assert_snapshot!(metrics.lines("claude_breaker_opened_total"), @r#"claude_breaker_opened_total{because="service"} 1"#);
    assert!(
        log.text()
            .contains("circuit breaker opened: calls to claude are held back because=\"service\"")
    );
    wait_until_admitted(&client).await;
    client.send(&question()).await.unwrap();
    insta::assert_snapshot!(metrics.lines("claude_breaker_open"), @"claude_breaker_open 0");
    assert!(log.text().contains("circuit breaker closed: claude answers again"));
}
