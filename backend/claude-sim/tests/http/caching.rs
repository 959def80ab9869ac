//! Prompt caching: tokens counted as written and read.

use super::client::{Sim, request, with};
use serde_json::{Value, json};

async fn counts(sim: &Sim, body: &Value) -> [u64; 3] {
    let usage = sim.ask(body).await.json()["usage"].clone();
    let creation = &usage["cache_creation"];
    let number = |value: &Value| value.as_u64().unwrap();
    let created = number(&usage["cache_creation_input_tokens"]);
    let by_ttl = ["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"];
    assert_eq!(created, by_ttl.iter().map(|name| number(&creation[*name])).sum::<u64>());
    [number(&usage["input_tokens"]), created, number(&usage["cache_read_input_tokens"])]
}

#[tokio::test]
async fn the_second_request_with_the_same_system_prompt_reads_it() {
    let sim = Sim::start().await;
    let [input, written, read] = counts(&sim, &request()).await;
    assert!(input > 0 && written > 0 && read == 0, "{input} {written} {read}");
    assert_eq!(counts(&sim, &request()).await, [input, 0, written]);
    let other = with(&["messages"], json!([{ "role": "user", "content": "Another résumé" }]));
    assert_eq!(counts(&sim, &other).await[1..], [0, written]);
}

#[tokio::test]
async fn nothing_is_cached_unless_requested() {
    let sim = Sim::start().await;
    let plain = with(&["system"], json!("Score résumés for a recruiter."));
    for _ in 0..2 {
        assert_eq!(counts(&sim, &plain).await[1..], [0, 0]);
    }
}

#[tokio::test]
async fn another_key_or_model_reads_nothing() {
    let sim = Sim::start().await;
    counts(&sim, &request()).await;
    let model = with(&["model"], json!("claude-haiku-5-5"));
    assert_eq!(counts(&sim, &model).await[2], 0);
    let reply = sim
        .bare(request().to_string())
        .header("x-api-key", "another")
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json");
    let usage: Value = reply.send().await.unwrap().json().await.unwrap();
    assert_eq!(usage["usage"]["cache_read_input_tokens"], 0);
}
