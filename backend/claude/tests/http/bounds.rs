//! Bounds on concurrency, time and size.

use crate::ask::{client, client_without_retries, error_of, question, settings, spawn_call};
use crate::recorded::metrics;
use crate::reply::{Reply, Then, message, start};
use crate::service::Service;
use claude::{BreakerSettings, Client, Health, Kind, Request, Settings};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;

#[tokio::test]
async fn running_and_waiting_calls_are_bounded() {
    let (recorder, metrics) = metrics();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let service = Service::gated([Reply::text("Yes.")]).await;
    let bounds = Settings { max_concurrent: 2, max_waiting: 3, ..settings(&service) };
    let client = Client::new(bounds).unwrap();
    let calls: Vec<_> = (0..5).map(|_| spawn_call(&client)).collect();
    service.wait_for_requests(2).await;
    let error = error_of(&client).await;
    assert_eq!((error.kind(), error.attempts()), (Kind::Busy, 0));
    assert!(error.is_retryable());
    assert!(metrics.lines("claude_in_flight").ends_with(" 2"));
    assert!(metrics.lines("claude_waiting").ends_with(" 3"));
    assert_eq!(service.count(), 2);

    for answered in 1..=5 {
        service.let_through(1);
        service.wait_for_requests(5.min(2 + answered)).await;
    }
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(service.count(), 5);
    assert!(metrics.lines("claude_in_flight").ends_with(" 0"));
    assert!(metrics.lines("claude_waiting").ends_with(" 0"));
}

/// Other users' calls are sent at once, however many calls one user has queued before.
#[tokio::test]
async fn a_user_with_many_large_calls_does_not_keep_others_waiting() {
    let service = Service::gated([Reply::text("Yes.")]).await;
    let bounds = Settings { max_concurrent: 16, max_waiting: 16, ..settings(&service) };
    let client = Client::new(bounds).unwrap();
    let ask = |user: &str, bytes: usize| {
        let (client, user_id) = (client.clone(), Some(user.to_owned()));
        let request = Request { user_id, content: "x".repeat(bytes), ..question() };
        tokio::spawn(async move { client.send(&request).await })
    };
    let mut calls: Vec<_> = (0..9).map(|_| ask("a", 60_000)).collect();
    let refused = ask("a", 1).await.unwrap();
    calls.retain(|call| !call.is_finished());
    assert_eq!(calls.len(), 8, "a quarter of all places");
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind(), refused.attempts()), (Kind::Busy, 0));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    service.wait_for_requests(2).await;

    calls.extend(["b", "c"].map(|user| ask(user, 1)));
    service.wait_for_requests(4).await;
    let users = |at: usize| service.received()[at].body["metadata"]["user_id"].clone();
    let mut first = [0, 1, 2, 3].map(users);
    first.sort_by_key(ToString::to_string);
    assert_eq!(first, ["a", "a", "b", "c"]);
    service.let_through(10);
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(service.count(), 10);
}

#[tokio::test]
async fn a_call_waits_only_so_long_for_a_slot() {
    let service = Service::gated([Reply::text("Yes.")]).await;
    let client = Client::new(Settings { max_concurrent: 1, ..settings(&service) }).unwrap();
    let first = spawn_call(&client);
    service.wait_for_requests(1).await;
    // Paused time advances by itself whenever all tasks are idle.
    tokio::time::pause();
    assert_eq!(error_of(&client).await.kind(), Kind::Busy);
    tokio::time::resume();
    service.let_through(1);
    assert!(first.await.unwrap().is_ok());
}

#[tokio::test]
async fn an_abandoned_call_frees_its_slot() {
    let service = Service::gated([Reply::text("Yes.")]).await;
    let bounds = Settings { max_concurrent: 1, max_waiting: 0, ..settings(&service) };
    let client = Client::new(bounds).unwrap();
    let first = spawn_call(&client);
    service.wait_for_requests(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    service.let_through(2);
    assert!(client.send(&question()).await.is_ok());
}

#[tokio::test]
async fn a_stream_holds_its_slot_until_it_ends() {
    let service = Service::start([Reply::open_stream(&[start()])]).await;
    let bounds = Settings { max_concurrent: 1, max_waiting: 0, ..settings(&service) };
    let client = Client::new(bounds).unwrap();
    let stream = client.stream(&question()).await.unwrap();
    assert_eq!(client.stream(&question()).await.unwrap_err().kind(), Kind::Busy);
    drop(stream);
    assert!(client.stream(&question()).await.is_ok());
}

#[tokio::test]
async fn a_hung_call_times_out_and_is_not_retried() {
    let mut half = Reply::text("Yes.").then(Then::Hang);
    half.bytes.truncate(half.bytes.len() - 1);
    for reply in [Reply::silence(), half] {
        let service = Service::start([reply]).await;
        let call = spawn_call(&client(&service));
        service.wait_for_requests(1).await;
        tokio::time::pause();
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (Kind::TimedOut, 1), "{error}");
        assert_eq!(service.count(), 1);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn silence_is_visible_long_before_the_timeout() {
    let service = Service::gated([Reply::error(529, "overloaded_error", &[])]).await;
    let client = client_without_retries(&service);
    assert_eq!(client.silence(), None);
    let call = spawn_call(&client);
    service.wait_for_requests(1).await;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(client.silence() >= Some(Duration::from_secs(5)), "{:?}", client.silence());
    tokio::time::resume();
    service.let_through(1);
    assert_eq!(call.await.unwrap().unwrap_err().kind(), Kind::Overloaded);
    assert_eq!(client.silence(), None);
}

#[tokio::test]
async fn excessive_settings_are_capped() {
    let service = Service::start([Reply::text("Yes.")]).await;
    let long = Duration::MAX;
    let breaker = BreakerSettings {
        failures: 0,
        pause: long,
        max_pause: long,
        trip_pause: long,
        max_trip_pause: long,
    };
    let settings = Settings {
        max_concurrent: usize::MAX,
        max_waiting: usize::MAX,
        max_wait: long,
        connect_timeout: long,
        timeout: long,
        idle_timeout: long,
        max_retries: u32::MAX,
        breaker,
        ..settings(&service)
    };
    let client = Client::new(settings).unwrap();
    assert_eq!(client.send(&question()).await.unwrap().text, "Yes.");
    let service = Service::start([Reply::error(500, "api_error", &[])]).await;
    let failing = Client::new(Settings { breaker, ..crate::ask::settings(&service) }).unwrap();
    assert_eq!(error_of(&failing).await.kind(), Kind::Service);
    let Health::Down { retry_after, .. } = failing.health() else { panic!() };
    assert!(retry_after <= Duration::from_secs(24 * 3_600));
}

/// The server never answers the TLS handshake.
#[tokio::test]
async fn connecting_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap()).parse().unwrap();
    let settings = Settings { max_retries: 0, ..Settings::new(url, "key".parse().unwrap()) };
    let call = spawn_call(&Client::new(settings).unwrap());
    let _connection = silent.accept().await.unwrap();
    tokio::time::pause();
    let before = Instant::now();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Connect, "{error}");
    assert!(before.elapsed().as_secs() <= 5, "{:?}", before.elapsed());
}

#[tokio::test]
async fn an_overlong_answer_is_rejected() {
    let long = message(&"x".repeat(9 * 1024 * 1024));
    let service = Service::start([Reply::message(&long, &[])]).await;
    let error = error_of(&client_without_retries(&service)).await;
    assert_eq!((error.kind(), error.request_id()), (Kind::AnswerTooLarge, Some("req_1")));
}

#[tokio::test]
async fn an_overlarge_request_is_not_sent() {
    let service = Service::start([Reply::text("Yes.")]).await;
    let request = Request { content: "x".repeat(32 * 1024 * 1024), ..question() };
    let error = client_without_retries(&service).send(&request).await.unwrap_err();
    assert_eq!((error.kind(), service.count()), (Kind::RequestTooLarge, 0));
}
