//! Injected faults.

use super::client::{Reply, Sim, in_prose, join_deltas, request, streamed};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_error_is_sent_the_requested_number_of_times() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "times": 2, "status": 529, "type": "overloaded_error" })).await;
    for body in [request(), streamed(request())] {
        let error = sim.ask(&body).await.error();
        assert_eq!(error, "529 overloaded_error: injected through /sim/faults");
    }
    assert_eq!(sim.ask(&request()).await.status, 200);
}

#[tokio::test]
async fn a_spend_limit_has_details_and_no_retry_after() {
    let sim = Sim::start().await;
    let cap = json!({
        "status": 429,
        "message": "You have reached your spend limit",
        "details": { "error_code": "enforced_spend_limit_reached" },
    });
    sim.fault(&cap).await;
    let reply = sim.ask(&request()).await;
    insta::assert_snapshot!(reply.show(), @r#"
    429
    content-type: application/json
    anthropic-ratelimit-requests-limit: 4000
    anthropic-ratelimit-requests-remaining: 3999
    anthropic-ratelimit-requests-reset: …
    anthropic-ratelimit-input-tokens-limit: 2000000
    anthropic-ratelimit-input-tokens-remaining: 2000000
    anthropic-ratelimit-input-tokens-reset: …
    anthropic-ratelimit-output-tokens-limit: 400000
    anthropic-ratelimit-output-tokens-remaining: 400000
    anthropic-ratelimit-output-tokens-reset: …
    anthropic-ratelimit-tokens-limit: 2400000
    anthropic-ratelimit-tokens-remaining: 2400000
    anthropic-ratelimit-tokens-reset: …
    request-id: req_sim_0000000000000000

    {
      "error": {
        "details": {
          "error_code": "enforced_spend_limit_reached"
        },
        "message": "You have reached your spend limit",
        "type": "rate_limit_error"
      },
      "request_id": "req_sim_0000000000000000",
      "type": "error"
    }
    "#);
}

#[tokio::test]
async fn headers_are_set_on_errors_and_answers() {
    let sim = Sim::start().await;
    let headers = json!({ "retry-after": "2", "anthropic-ratelimit-requests-remaining": "0" });
    sim.fault(&json!([
        { "times": 1, "status": 429, "headers": headers },
        { "times": 1, "headers": headers },
    ]))
    .await;
    for status in [429, 200] {
        let reply = sim.ask(&request()).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.headers["retry-after"], "2");
        assert_eq!(reply.headers["anthropic-ratelimit-requests-remaining"], "0");
        assert_eq!(reply.headers["anthropic-ratelimit-requests-limit"], "4000");
    }
}

#[tokio::test]
async fn a_stream_is_cut_after_the_requested_number_of_events() {
    let sim = Sim::start().await;
    for count in [0, 1, 7] {
        sim.fault(&json!({ "times": 1, "cut_after_events": count })).await;
        let (events, cut) = sim.stream(&request()).await.all().await;
        assert_eq!((events.len(), cut), (count, true));
    }
}

#[tokio::test]
async fn a_plain_answer_is_cut_in_half() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "cut_after_events": 3 })).await;
    let response = sim.post(&request()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap_err();
}

#[tokio::test]
async fn an_error_can_follow_the_start_of_the_answer() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "error_after_events": 4 })).await;
    let (mut events, cut) = sim.stream(&request()).await.all().await;
    assert_eq!((events.len(), cut), (5, false));
    let (name, data) = events.pop().unwrap();
    assert_eq!(name, "error");
    assert_eq!(data["error"]["type"], "overloaded_error");
    // A plain answer becomes the error.
    assert_eq!(sim.ask(&request()).await.status, 529);
}

#[tokio::test]
async fn a_hanging_request_is_not_answered() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "times": 1, "hang": true })).await;
    let (body, wait) = (request(), Duration::from_millis(200));
    let early = tokio::time::timeout(wait, sim.ask(&body)).await;
    assert!(early.is_err());
    assert_eq!(sim.ask(&request()).await.status, 200);
}

#[tokio::test]
async fn a_delay_comes_before_the_answer_and_before_each_event() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "times": 1, "delay_ms": 300 })).await;
    let body = request();
    let mut answer = Box::pin(sim.ask(&body));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut answer).await.is_err());
    assert_eq!(answer.await.status, 200);

    sim.fault(&json!({ "times": 1, "event_delay_ms": 300 })).await;
    let mut events = sim.stream(&request()).await;
    assert!(tokio::time::timeout(Duration::from_millis(100), events.next()).await.is_err());
    assert_eq!(events.next().await.unwrap().unwrap().0, "message_start");
}

#[tokio::test]
async fn an_answers_stop_reason_can_be_set() {
    let sim = Sim::start().await;
    let whole = sim.ask(&request()).await.answer();
    sim.fault(&json!([
        { "times": 2, "stop_reason": "max_tokens" },
        { "times": 2, "stop_reason": "refusal" },
    ]))
    .await;
    let cut = sim.ask(&request()).await;
    assert_eq!(cut.json()["stop_reason"], "max_tokens");
    assert!(whole.starts_with(&cut.answer()) && cut.answer().len() < whole.len());
    let (events, _) = sim.stream(&request()).await.all().await;
    assert_eq!(join_deltas(&events, "text_delta", "text"), cut.answer());

    let refused = sim.ask(&in_prose()).await.json();
    assert_eq!(refused["stop_reason"], "refusal");
    assert_eq!(refused["stop_details"]["type"], "refusal");
    let is_text = |block: &Value| block["type"] == "text";
    assert!(!refused["content"].as_array().unwrap().iter().any(is_text));
    let (events, _) = sim.stream(&request()).await.all().await;
    assert_eq!(join_deltas(&events, "text_delta", "text"), "");
    let ends = events.iter().find(|(name, _)| name == "message_delta").unwrap();
    assert_eq!(ends.1["delta"]["stop_reason"], "refusal");
}

#[tokio::test]
async fn a_text_can_be_set_even_if_it_does_not_match_the_schema() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "text": "not json" })).await;
    assert_eq!(sim.ask(&request()).await.answer(), "not json");
    let (events, _) = sim.stream(&request()).await.all().await;
    assert_eq!(join_deltas(&events, "text_delta", "text"), "not json");
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_a_fault() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "times": 1, "status": 500 })).await;
    assert_eq!(sim.ask(&json!({})).await.status, 400);
    assert_eq!(sim.ask(&request()).await.status, 500);
}

#[tokio::test]
async fn faults_are_shown_and_cleared_and_invalid_ones_refused() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "times": 3, "hang": true })).await;
    let shown = sim.control("GET", "/sim/faults", &Value::Null).await.json();
    assert_eq!(shown, json!({ "faults": [{ "times": 3, "hang": true }] }));
    assert_eq!(sim.control("DELETE", "/sim/faults", &Value::Null).await.status, 204);
    assert_eq!(sim.ask(&request()).await.status, 200);

    let error_of = async |fault: Value| {
        let reply: Reply = sim.control("POST", "/sim/faults", &fault).await;
        reply.error()
    };
    let lines = [
        error_of(json!({ "statuss": 500 })).await,
        error_of(json!([{ "status": 500 }, { "status": 99 }])).await,
        error_of(json!({ "delay_ms": 600_001 })).await,
        error_of(json!({ "stop_reason": "boredom" })).await,
        error_of(json!(5)).await,
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
    400 invalid_request_error: unknown field `statuss`, expected one of `times`, `status`, `type`, `message`, `details`, `delay_ms`, `event_delay_ms`, `hang`, `hang_after_events`, `cut_after_events`, `error_after_events`, `stop_reason`, `text`, `headers`
    400 invalid_request_error: status: expected 400 to 599, found 99
    400 invalid_request_error: delay_ms: expected at most 600000, found 600001
    400 invalid_request_error: unknown variant `boredom`, expected one of `end_turn`, `max_tokens`, `stop_sequence`, `pause_turn`, `refusal`, `model_context_window_exceeded`
    400 invalid_request_error: invalid type: integer `5`, expected struct Fault
    ");
    assert_eq!(sim.ask(&request()).await.status, 200);
}
