//! Plain answers.

use super::client::{Sim, asking_for, in_prose, request, with};
use serde_json::{Value, json};

#[tokio::test]
async fn an_answer_is_a_whole_message() {
    let sim = Sim::start().await;
    insta::assert_snapshot!(sim.ask(&request()).await.show(), @r#"
    200
    content-type: application/json
    anthropic-ratelimit-requests-limit: 4000
    anthropic-ratelimit-requests-remaining: 3999
    anthropic-ratelimit-requests-reset: …
    anthropic-ratelimit-input-tokens-limit: 2000000
    anthropic-ratelimit-input-tokens-remaining: 1999933
    anthropic-ratelimit-input-tokens-reset: …
    anthropic-ratelimit-output-tokens-limit: 400000
    anthropic-ratelimit-output-tokens-remaining: 399965
    anthropic-ratelimit-output-tokens-reset: …
    anthropic-ratelimit-tokens-limit: 2400000
    anthropic-ratelimit-tokens-remaining: 2399898
    anthropic-ratelimit-tokens-reset: …
    request-id: req_sim_0000000000000000

    {
      "content": [
        {
          "text": "{\"score\":96,\"summary\":\"What is said about experience is clear and to the point. With Led in mind, teams deserves a more concrete example.\"}",
          "type": "text"
        }
      ],
      "id": "msg_sim_d40aeebcec1727b900000001",
      "model": "claude-sonnet-5-5",
      "role": "assistant",
      "stop_details": null,
      "stop_reason": "end_turn",
      "stop_sequence": null,
      "type": "message",
      "usage": {
        "cache_creation": {
          "ephemeral_1h_input_tokens": 53,
          "ephemeral_5m_input_tokens": 0
        },
        "cache_creation_input_tokens": 53,
        "cache_read_input_tokens": 0,
        "input_tokens": 14,
        "output_tokens": 35,
        "output_tokens_details": {
          "thinking_tokens": 0
        },
        "service_tier": "standard"
      }
    }
    "#);
}

#[tokio::test]
async fn equal_requests_have_equal_answers_and_others_differ() {
    let sim = Sim::start().await;
    let answer = sim.ask(&request()).await;
    let again = Sim::start().await.ask(&request()).await;
    assert_eq!(again.answer(), answer.answer());
    // The user and the maximum length do not affect the answer.
    let user = with(&["metadata", "user_id"], json!("another"));
    let length = with(&["max_tokens"], json!(1000));
    for same in [user, length] {
        assert_eq!(sim.ask(&same).await.answer(), answer.answer());
    }
    let model = with(&["model"], json!("claude-haiku-5-5"));
    let system = with(&["system"], json!("Score letters."));
    let content = with(&["messages"], json!([{ "role": "user", "content": "Score me." }]));
    for other in [model, system, content] {
        assert_ne!(sim.ask(&other).await.answer(), answer.answer());
    }
    // Each message has a unique id.
    assert_ne!(next_id(&sim).await, next_id(&sim).await);
}

async fn next_id(sim: &Sim) -> Value {
    sim.ask(&request()).await.json()["id"].clone()
}

#[tokio::test]
async fn without_a_schema_the_answer_is_prose() {
    let text = Sim::start().await.ask(&in_prose()).await.answer();
    insta::assert_snapshot!(text, @"Both results and teamwork are worth keeping as they are. The part about teams could come before results. Together, Rust and experience make a convincing case. It would help to say more about teamwork, since Rust depends on it. With results in mind, Led deserves a more concrete example. Both Rust and experience are worth keeping as they are.");
}

#[tokio::test]
async fn a_letter_and_a_patch_use_the_resume() {
    let text = json!({ "type": "string" });
    let operation = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["op", "path", "value", "reason"],
        "properties": { "op": text, "path": text, "value": text, "reason": text },
    });
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["operations", "letter"],
        "properties": { "operations": { "type": "array", "items": operation }, "letter": text },
    });
    let answer = Sim::start().await.ask(&asking_for(&schema)).await.answer();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    insta::assert_snapshot!(answer["letter"].as_str().unwrap(), @"
    Dear hiring team,

    The tone suits teams, and the order suits results. Together, teams and results make a convincing case. What is said about Rust is clear and to the point.

    Together, Rust and experience make a convincing case. What is said about experience is clear and to the point. With experience in mind, teamwork deserves a more concrete example. The part about Led could come before Rust.

    Together, teams and results make a convincing case. The tone suits results, and the order suits teamwork. The tone suits teams, and the order suits experience.

    Kind regards
    ");
    let operation = &answer["operations"][0];
    assert_eq!(operation["op"], "replace");
    assert_eq!(operation["path"], "/basics/summary");
    assert_eq!(operation["value"], "Guided Rust teams");
}

#[tokio::test]
async fn max_tokens_cuts_the_text_short() {
    let sim = Sim::start().await;
    let whole = sim.ask(&request()).await.answer();
    let reply = sim.ask(&with(&["max_tokens"], json!(8))).await;
    let body = reply.json();
    assert_eq!(body["stop_reason"], "max_tokens");
    assert_eq!(body["usage"]["output_tokens"], 8);
    assert!(whole.starts_with(&reply.answer()) && whole.len() > reply.answer().len());
    serde_json::from_str::<Value>(&reply.answer()).unwrap_err();

    // A text that just fits is complete. With one token less, it is not.
    let tokens = sim.ask(&request()).await.json()["usage"]["output_tokens"].as_u64().unwrap();
    for (tokens, end) in [(tokens, "end_turn"), (tokens - 1, "max_tokens")] {
        let body = sim.ask(&with(&["max_tokens"], json!(tokens))).await.json();
        assert_eq!(body["stop_reason"], end);
        assert_eq!(body["usage"]["output_tokens"], tokens);
    }
}

#[tokio::test]
async fn a_stop_sequence_ends_the_text() {
    let sim = Sim::start().await;
    let sequences = json!(["no such words", "\"summary\""]);
    let reply = sim.ask(&with(&["stop_sequences"], sequences)).await;
    let body = reply.json();
    assert_eq!(body["stop_reason"], "stop_sequence");
    assert_eq!(body["stop_sequence"], "\"summary\"");
    assert!(!reply.answer().contains("summary"), "{}", reply.answer());
}

#[tokio::test]
async fn thinking_comes_before_the_text_and_is_counted() {
    let sim = Sim::start().await;
    let body = sim.ask(&with(&["thinking"], json!({ "type": "adaptive" }))).await.json();
    let kinds: Vec<_> = body["content"].as_array().unwrap().iter().map(|b| &b["type"]).collect();
    assert_eq!(kinds, ["thinking", "text"]);
    let usage = &body["usage"];
    let thinking = usage["output_tokens_details"]["thinking_tokens"].as_u64().unwrap();
    assert!(thinking > 0 && thinking < usage["output_tokens"].as_u64().unwrap(), "{usage}");
}

/// The real service also thinks in some answers without being asked to.
#[tokio::test]
async fn some_answers_have_a_thinking_block() {
    let sim = Sim::start().await;
    let mut thinking = 0;
    for number in 0..30 {
        let body = sim.ask(&with(&["system"], json!(format!("Prompt {number}")))).await.json();
        thinking += usize::from(body["content"][0]["type"] == "thinking");
    }
    assert!((1..30).contains(&thinking), "{thinking}");
}
