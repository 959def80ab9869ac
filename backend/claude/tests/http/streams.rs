//! Streamed answers.

use crate::ask::{all_of, client, client_without_retries, question, settings};
use crate::recorded::metrics;
use crate::reply::{Reply, Then, end, event, more, saying, start, stop};
use crate::service::Service;
use claude::{ClaudeError, Client, Event, Kind, Settings};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3_600);

async fn streamed(reply: Reply) -> Vec<Result<Event, ClaudeError>> {
    let service = Service::start([reply]).await;
    all_of(client_without_retries(&service).stream(&question()).await.unwrap()).await
}

/// Returns the joined texts and the error that ends them.
fn broken(events: Vec<Result<Event, ClaudeError>>) -> (String, ClaudeError) {
    let (mut text, mut error) = (String::new(), None);
    for event in events {
        assert!(error.is_none(), "an item after the error");
        match event {
            Ok(Event::Text(more)) => text += &more,
            Ok(Event::Done(answer)) => panic!("{answer:?}"),
            Err(found) => error = Some(found),
        }
    }
    (text, error.unwrap())
}

#[tokio::test]
async fn text_arrives_in_pieces_and_then_the_whole_answer() {
    let events = [
        start(),
        event("ping"),
        json!({"type": "content_block_start", "index": 0,
               "content_block": {"type": "thinking", "thinking": ""}}),
        json!({"type": "content_block_delta", "index": 0,
               "delta": {"type": "thinking_delta", "thinking": "Hm."}}),
        json!({"type": "content_block_delta", "index": 0,
               "delta": {"type": "signature_delta", "signature": "x"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "some_new_event", "data": {"a": 1}}),
        json!({"type": "content_block_start", "index": 1,
               "content_block": {"type": "text", "text": ""}}),
        more("Sch\u{f6}n"),
        more(", \"ja\".\n"),
        json!({"type": "content_block_stop", "index": 1}),
        stop("end_turn"),
        end(),
    ];
    let service = Service::start([Reply::stream(&events)]).await;
    let events = all_of(client(&service).stream(&question()).await.unwrap()).await;
    let shown: Vec<_> = events.into_iter().map(|event| format!("{:?}", event.unwrap())).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    Text("Schön")
    Text(", \"ja\".\n")
    Done(Answer { text: "Schön, \"ja\".\n", stop_reason: EndTurn, model: "claude-haiku-5-5", usage: Usage { input_tokens: 1000, cache_write_5m_tokens: 0, cache_write_1h_tokens: 0, cache_read_tokens: 0, output_tokens: 100, thinking_tokens: 0 }, request_id: Some("req_1"), cost_micro_usd: 150 })
    "#);
    assert_eq!(service.received()[0].body["stream"], json!(true));
}

#[tokio::test]
async fn an_answer_stream_implements_stream_and_is_fused() {
    let service = Service::start([Reply::stream(&saying("Yes."))]).await;
    let mut stream = client(&service).stream(&question()).await.unwrap();
    let texts = stream.by_ref().filter_map(async |event| match event.unwrap() {
        Event::Text(text) => Some(text),
        Event::Done(_) => None,
    });
    assert_eq!(texts.collect::<Vec<_>>().await, ["Yes."]);
    assert!(StreamExt::next(&mut stream).await.is_none());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn text_is_passed_on_before_the_answer_ends() {
    let service = Service::start([Reply::open_stream(&[start(), more("Ye")])]).await;
    let mut stream = client(&service).stream(&question()).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(Event::Text(text))) if text == "Ye"));
}

#[tokio::test]
async fn a_truncated_stream_ends_in_an_error() {
    let events = [start(), more("Ye")];
    let mut in_a_chunk = Reply::open_stream(&events).then(Then::Close);
    in_a_chunk.bytes.truncate(in_a_chunk.bytes.len() - 2);
    let between_chunks = Reply::open_stream(&events).then(Then::Close);
    let ended_well = Reply::stream(&events);
    let without_stop = Reply::stream(&[start(), more("Ye"), stop("end_turn")]);
    for reply in [in_a_chunk, between_chunks, ended_well, without_stop] {
        let (text, error) = broken(streamed(reply).await);
        assert_eq!((text.as_str(), error.kind()), ("Ye", Kind::Broken), "{error}");
        assert_eq!((error.request_id(), error.attempts()), (Some("req_1"), 1));
    }
}

#[tokio::test]
async fn an_error_can_follow_a_200() {
    let overloaded = json!({"type": "error", "request_id": "req_1",
                            "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let (text, error) = broken(streamed(Reply::stream(&[start(), more("Ye"), overloaded])).await);
    assert_eq!(text, "Ye");
    insta::assert_snapshot!(error, @"Claude: overloaded: Overloaded; request req_1");
}

/// Paused time advances by itself whenever all tasks are idle, so the timeout passes at once.
#[tokio::test]
async fn a_silent_stream_times_out() {
    let service = Service::start([Reply::open_stream(&[start(), more("Ye"), event("ping")])]).await;
    let mut stream = client(&service).stream(&question()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    tokio::time::pause();
    let before = Instant::now();
    assert_eq!(broken(all_of(stream).await).1.kind(), Kind::TimedOut);
    assert_eq!(before.elapsed().as_secs(), 60, "the timeout between two events");
}

#[tokio::test]
async fn a_stream_that_does_not_begin_times_out_and_is_not_retried() {
    let comments = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: a comment\n\n";
    let comments = Reply { bytes: comments.into(), then: Then::Hang };
    let empty = Reply::open_stream(&[]);
    for reply in [Reply::silence(), comments, empty, Reply::open_stream(&[event("ping")])] {
        let service = Service::start([reply]).await;
        let client = client(&service);
        let begun = tokio::spawn(async move { client.stream(&question()).await });
        service.wait_for_requests(1).await;
        tokio::time::pause();
        let before = Instant::now();
        assert_eq!(begun.await.unwrap().unwrap_err().kind(), Kind::TimedOut);
        assert!(before.elapsed().as_secs() <= 60, "{:?}", before.elapsed());
        assert_eq!(service.count(), 1);
        tokio::time::resume();
    }
}

/// The overall timeout counts from the beginning, however many events arrive.
#[tokio::test]
async fn an_endless_stream_times_out() {
    let service = Service::start([Reply::open_stream(&[start(), more("Ye")])]).await;
    let settings = Settings { idle_timeout: HOUR, ..settings(&service) };
    let mut stream = Client::new(settings).unwrap().stream(&question()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    tokio::time::pause();
    let before = Instant::now();
    assert_eq!(broken(all_of(stream).await).1.kind(), Kind::TimedOut);
    assert!(before.elapsed().as_secs() <= 600, "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_malformed_stream_is_an_error() {
    let service = Service::start([Reply::text("Yes.")]).await;
    let error = client(&service).stream(&question()).await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (Kind::NotUnderstood, Some("req_1")));

    let check =
        |events: Vec<Value>| async move { broken(streamed(Reply::stream(&events)).await).1.kind() };
    assert_eq!(check(vec![start(), json!({"type": 7})]).await, Kind::NotUnderstood);
    assert_eq!(check(vec![start(), end()]).await, Kind::NotUnderstood);
    assert_eq!(check(vec![start(), event("content_block_delta")]).await, Kind::NotUnderstood);
}

#[tokio::test]
async fn an_overlong_event_is_rejected() {
    let huge = more(&"x".repeat(1024 * 1024));
    let (_, error) = broken(streamed(Reply::stream(&[start(), huge])).await);
    assert_eq!(error.kind(), Kind::AnswerTooLarge);
}

#[tokio::test]
async fn a_dropped_stream_is_billed_as_far_as_it_arrived() {
    let (recorder, metrics) = metrics();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let service = Service::start([Reply::open_stream(&[start(), more("Ye")])]).await;
    let mut stream = client(&service).stream(&question()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(metrics.lines("claude_in_flight").ends_with(" 1"));
    drop(stream);
    assert!(metrics.lines("claude_in_flight").ends_with(" 0"));
    insta::assert_snapshot!(metrics.lines("claude_requests_total"), @r#"claude_requests_total{model="claude-haiku-5-5",outcome="abandoned"} 1"#);
    insta::assert_snapshot!(metrics.lines("claude_cost_micro_usd_total"), @r#"claude_cost_micro_usd_total{model="claude-haiku-5-5"} 101"#);
}

#[tokio::test]
async fn a_connection_is_reused_after_its_stream_ends() {
    let service = Service::start([Reply::stream(&saying("Yes.")), Reply::text("No.")]).await;
    let client = client(&service);
    all_of(client.stream(&question()).await.unwrap()).await;
    client.send(&question()).await.unwrap();
    assert_eq!((service.count(), service.connections()), (2, 1));
}
