//! Retries.

use crate::ask::{all_of, client, error_of, question, settings, spawn_call};
use crate::recorded::{Log, metrics};
use crate::reply::{Reply, Then, event, saying, start};
use crate::service::{Service, wait_until};
use claude::{Client, Event, Kind};
use serde_json::json;
use std::time::Duration;

const AT_ONCE: (&str, &str) = ("retry-after-ms", "1");

#[tokio::test]
async fn transient_errors_are_retried_after_the_requested_wait() {
    let overloaded = Reply::error(529, "overloaded_error", &[AT_ONCE]);
    for status in [408, 409, 429, 500, 503, 504] {
        let other = Reply::error(status, "some_new_error", &[AT_ONCE]);
        let service = Service::start([overloaded.clone(), other, Reply::text("Yes.")]).await;
        let answer = client(&service).send(&question()).await.unwrap();
        assert_eq!((answer.text.as_str(), service.count()), ("Yes.", 3));
        let bodies: Vec<_> = service.received().into_iter().map(|received| received.body).collect();
        assert_eq!((&bodies[0], &bodies[0]), (&bodies[1], &bodies[2]));
    }
}

#[tokio::test]
async fn the_last_error_is_returned_when_retries_are_exhausted() {
    let overloaded = Reply::error(529, "overloaded_error", &[AT_ONCE]);
    let last = Reply::error(500, "api_error", &[AT_ONCE]);
    let service = Service::start([overloaded.clone(), overloaded, last]).await;
    let error = error_of(&client(&service)).await;
    assert_eq!((error.kind(), error.attempts()), (Kind::Service, 3));
    assert_eq!(service.count(), 3);
}

#[tokio::test]
async fn an_overload_without_a_wait_is_retried() {
    let service =
        Service::start([Reply::error(529, "overloaded_error", &[]), Reply::text("Yes.")]).await;
    assert_eq!(client(&service).send(&question()).await.unwrap().text, "Yes.");
}

#[tokio::test]
async fn a_requested_wait_of_up_to_a_minute_is_respected() {
    let log = Log::start();
    let limited = Reply::error(429, "rate_limit_error", &[("retry-after", "55")]);
    let service = Service::start([limited, Reply::text("Yes.")]).await;
    let call = spawn_call(&client(&service));
    wait_until("the call waits", || log.text().contains("retrying the call to claude")).await;
    assert!(log.text().contains("request_id=\"req_1\" pause_ms=55000"), "{}", log.text());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(56)).await;
    tokio::time::resume();
    assert_eq!(call.await.unwrap().unwrap().text, "Yes.");
}

#[tokio::test]
async fn permanent_errors_are_not_retried() {
    for status in [302, 400, 401, 402, 403, 404, 413] {
        let service = Service::start([Reply::error(status, "", &[AT_ONCE])]).await;
        let error = error_of(&client(&service)).await;
        assert_eq!((error.attempts(), service.count()), (1, 1), "{error}");
    }
}

#[tokio::test]
async fn the_service_can_forbid_or_request_a_retry() {
    let no = [AT_ONCE, ("x-should-retry", "false")];
    let service = Service::start([Reply::error(529, "overloaded_error", &no)]).await;
    assert_eq!(error_of(&client(&service)).await.attempts(), 1);

    let yes = [AT_ONCE, ("x-should-retry", "true")];
    let service =
        Service::start([Reply::error(400, "invalid_request_error", &yes), Reply::text("Yes.")]);
    assert!(client(&service.await).send(&question()).await.is_ok());
}

#[tokio::test]
async fn a_broken_connection_is_retried() {
    let mut cut = Reply::text("Yes.").then(Then::Close);
    cut.bytes.truncate(cut.bytes.len() - 1);
    let service = Service::start([Reply::hang_up(), cut, Reply::text("Yes.")]).await;
    let answer = client(&service).send(&question()).await.unwrap();
    assert_eq!((answer.text.as_str(), service.count()), ("Yes.", 3));
}

#[tokio::test]
async fn a_refused_connection_is_retried() {
    let service = Service::start([Reply::text("Yes.")]).await;
    let mut settings = settings(&service);
    settings.base_url = "http://127.0.0.1:1".parse().unwrap();
    settings.max_retries = 1;
    let error = error_of(&Client::new(settings).unwrap()).await;
    assert_eq!((error.kind(), error.attempts()), (Kind::Connect, 2), "{error}");
}

#[tokio::test]
async fn a_stream_is_retried_only_before_its_first_event() {
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error"}});
    let before = [
        Reply::error(529, "overloaded_error", &[AT_ONCE]),
        Reply::stream(&[event("ping"), overloaded]),
        Reply::stream(&saying("Yes.")),
    ];
    let service = Service::start(before).await;
    let stream = client(&service).stream(&question()).await.unwrap();
    let events = all_of(stream).await;
    assert!(matches!(&events[0], Ok(Event::Text(text)) if text == "Yes."), "{events:?}");
    assert_eq!(service.count(), 3);

    let after = [Reply::stream(&[start()]), Reply::stream(&saying("Yes."))];
    let service = Service::start(after).await;
    let stream = client(&service).stream(&question()).await.unwrap();
    let events = all_of(stream).await;
    let [Err(error)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((error.kind(), service.count()), (Kind::Broken, 1));
}

#[tokio::test]
async fn retries_are_counted_by_their_cause() {
    let (recorder, metrics) = metrics();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let replies = [
        Reply::error(529, "overloaded_error", &[AT_ONCE]),
        Reply::error(500, "api_error", &[AT_ONCE]),
        Reply::text("Yes."),
    ];
    let service = Service::start(replies).await;
    client(&service).send(&question()).await.unwrap();
    insta::assert_snapshot!(metrics.lines("claude_retries_total"), @r#"
    claude_retries_total{model="claude-haiku-5-5",because="overloaded"} 1
    claude_retries_total{model="claude-haiku-5-5",because="service"} 1
    "#);
    insta::assert_snapshot!(metrics.lines("claude_requests_total"), @r#"claude_requests_total{model="claude-haiku-5-5",outcome="ok"} 1"#);
}
