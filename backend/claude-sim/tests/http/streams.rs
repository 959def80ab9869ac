//! Streamed answers.

use super::client::{PATIENCE, Sim, in_prose, join_deltas, request, shown, with};
use claude_sim::canonical::sorted;
use serde_json::{Value, json};

#[tokio::test]
async fn a_streamed_answer_equals_the_plain_one() {
    let sim = Sim::start().await;
    for body in [request(), in_prose(), with(&["thinking"], json!({ "type": "adaptive" }))] {
        let plain = sim.ask(&body).await;
        let (events, cut) = sim.stream(&body).await.all().await;
        assert!(!cut);
        assert_eq!(join_deltas(&events, "text_delta", "text"), plain.answer());
        let message = plain.json();
        let ends = &events.iter().find(|(name, _)| name == "message_delta").unwrap().1;
        assert_eq!(ends["delta"]["stop_reason"], message["stop_reason"]);
        assert_eq!(ends["usage"]["output_tokens"], message["usage"]["output_tokens"]);
    }
}

#[tokio::test]
async fn the_events_match_the_services() {
    let sim = Sim::start().await;
    let body = with(&["max_tokens"], json!(40));
    let events = sim.stream(&with_thinking(body)).await;
    let headers = shown(events.response.headers());
    let (events, _) = events.all().await;
    let lines: Vec<String> =
        events.iter().map(|(name, data)| format!("{name}: {}", sorted(data))).collect();
    insta::assert_snapshot!(format!("{headers}\n{}", lines.join("\n")), @r#"
    content-type: text/event-stream; charset=utf-8
    cache-control: no-cache
    anthropic-ratelimit-requests-limit: 4000
    anthropic-ratelimit-requests-remaining: 3999
    anthropic-ratelimit-requests-reset: …
    anthropic-ratelimit-input-tokens-limit: 2000000
    anthropic-ratelimit-input-tokens-remaining: 1999933
    anthropic-ratelimit-input-tokens-reset: …
    anthropic-ratelimit-output-tokens-limit: 400000
    anthropic-ratelimit-output-tokens-remaining: 399960
    anthropic-ratelimit-output-tokens-reset: …
    anthropic-ratelimit-tokens-limit: 2400000
    anthropic-ratelimit-tokens-remaining: 2399893
    anthropic-ratelimit-tokens-reset: …
    request-id: req_sim_0000000000000000

    message_start: {"message":{"content":[],"id":"msg_sim_5771ce8a8c359c4d00000001","model":"claude-sonnet-5-5","role":"assistant","stop_details":null,"stop_reason":null,"stop_sequence":null,"type":"message","usage":{"cache_creation":{"ephemeral_1h_input_tokens":53,"ephemeral_5m_input_tokens":0},"cache_creation_input_tokens":53,"cache_read_input_tokens":0,"input_tokens":14,"output_tokens":1,"service_tier":"standard"}},"type":"message_start"}
    content_block_start: {"content_block":{"signature":"","thinking":"","type":"thinking"},"index":0,"type":"content_block_start"}
    ping: {"type":"ping"}
    content_block_delta: {"delta":{"thinking":"With experience in mind,","type":"thinking_delta"},"index":0,"type":"content_block_delta"}
    content_block_delta: {"delta":{"thinking":" results deserves a","type":"thinking_delta"},"index":0,"type":"content_block_delta"}
    content_block_delta: {"delta":{"thinking":" more concrete example.","type":"thinking_delta"},"index":0,"type":"content_block_delta"}
    content_block_delta: {"delta":{"thinking":" A reader will","type":"thinking_delta"},"index":0,"type":"content_block_delta"}
    content_block_delta: {"delta":{"signature":"claude-sim-msg_sim_5771ce8a8c359c4d00000001","type":"signature_delta"},"index":0,"type":"content_block_delta"}
    content_block_stop: {"index":0,"type":"content_block_stop"}
    content_block_start: {"content_block":{"text":"","type":"text"},"index":1,"type":"content_block_start"}
    content_block_delta: {"delta":{"text":"{\"score\":51,\"summary\":\"Both Led ","type":"text_delta"},"index":1,"type":"content_block_delta"}
    content_block_delta: {"delta":{"text":"and Rust are worth","type":"text_delta"},"index":1,"type":"content_block_delta"}
    content_block_delta: {"delta":{"text":" keeping as they","type":"text_delta"},"index":1,"type":"content_block_delta"}
    content_block_delta: {"delta":{"text":" are. The part","type":"text_delta"},"index":1,"type":"content_block_delta"}
    content_block_stop: {"index":1,"type":"content_block_stop"}
    message_delta: {"delta":{"stop_details":null,"stop_reason":"max_tokens","stop_sequence":null},"type":"message_delta","usage":{"cache_creation":{"ephemeral_1h_input_tokens":53,"ephemeral_5m_input_tokens":0},"cache_creation_input_tokens":53,"cache_read_input_tokens":0,"input_tokens":14,"output_tokens":40,"output_tokens_details":{"thinking_tokens":20},"service_tier":"standard"}}
    message_stop: {"type":"message_stop"}
    "#);
}

fn with_thinking(mut body: Value) -> Value {
    body["thinking"] = json!({ "type": "adaptive" });
    body
}

#[tokio::test]
async fn events_are_sent_as_they_are_generated() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "hang_after_events": 5 })).await;
    let mut events = sim.stream(&request()).await;
    for _ in 0..5 {
        tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
    }
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), events.next()).await;
    assert!(early.is_err(), "{early:?}");
}

#[tokio::test]
async fn a_dropped_stream_ends_its_request() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "hang_after_events": 1 })).await;
    let mut events = sim.stream(&request()).await;
    events.next().await.unwrap().unwrap();
    assert_eq!(sim.running.sim().at_once.now(), 1);
    drop(events);
    let left = async {
        while sim.running.sim().at_once.now() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, left).await.unwrap();
}
