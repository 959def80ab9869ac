//! Usage and cost of calls.

use crate::ask::{all_of, client, question, settings};
use crate::recorded::{Log, metrics};
use crate::reply::{Reply, end, message, more, saying, start};
use crate::service::Service;
use claude::{Client, Event, Settings};
use serde_json::{Value, json};

fn usage() -> Value {
    json!({"input_tokens": 100, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 4000,
           "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
           "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 20},
           "service_tier": "standard"})
}

#[tokio::test]
async fn an_answer_is_priced_by_the_table_and_counted() {
    let (recorder, metrics) = metrics();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let mut body = message("Yes.");
    body["usage"] = usage();
    let service = Service::start([Reply::message(&body, &[])]).await;
    let prices = "claude-haiku-5-5=1/5/1.25/2/0.1".parse().unwrap();
    let client = Client::new(Settings { prices, ..settings(&service) }).unwrap();
    let answer = client.send(&question()).await.unwrap();
    // 100 × 1 + 100 × 1.25 + 200 × 2 + 4000 × 0.1 + 50 × 5
    assert_eq!(answer.cost_micro_usd, 1_275);
    assert_eq!(answer.usage.total_input_tokens(), 4_400);
    client.send(&question()).await.unwrap();
    insta::assert_snapshot!(metrics.lines("claude_tokens_total"), @r#"
    claude_tokens_total{model="claude-haiku-5-5",kind="cache_read"} 8000
    claude_tokens_total{model="claude-haiku-5-5",kind="cache_write_1h"} 400
    claude_tokens_total{model="claude-haiku-5-5",kind="cache_write_5m"} 200
    claude_tokens_total{model="claude-haiku-5-5",kind="input"} 200
    claude_tokens_total{model="claude-haiku-5-5",kind="output"} 100
    claude_tokens_total{model="claude-haiku-5-5",kind="thinking"} 40
    "#);
    insta::assert_snapshot!(metrics.lines("claude_cost_micro_usd_total"), @r#"claude_cost_micro_usd_total{model="claude-haiku-5-5"} 2550"#);
    insta::assert_snapshot!(metrics.lines("claude_requests_total"), @r#"claude_requests_total{model="claude-haiku-5-5",outcome="ok"} 2"#);
}

#[tokio::test]
async fn a_stream_costs_the_same_as_a_plain_answer() {
    let (recorder, metrics) = metrics();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let service = Service::start([Reply::text("Yes."), Reply::stream(&saying("Yes."))]).await;
    let client = client(&service);
    let plain = client.send(&question()).await.unwrap();
    let events = all_of(client.stream(&question()).await.unwrap()).await;
    let Some(Ok(Event::Done(streamed))) = events.last() else { panic!("{events:?}") };
    assert_eq!((streamed, plain.cost_micro_usd), (&plain, 150));
    assert!(metrics.lines("claude_cost_micro_usd_total").ends_with(" 300"), "each is counted once");
}

#[tokio::test]
async fn a_broken_off_answer_is_billed_as_far_as_known() {
    let (recorder, metrics) = metrics();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let broken = || Reply::stream(&[start(), more("Ye"), end()]);
    let service = Service::start([broken(), broken()]).await;
    let stream = client(&service).stream(&question()).await.unwrap();
    let bill = stream.bill();
    assert_eq!(bill.cost_micro_usd(), 0, "unknown until the stream has ended");
    all_of(stream).await;
    assert_eq!(bill.cost_micro_usd(), 101);
    let left = client(&service).stream(&question()).await.unwrap();
    let bill = left.bill();
    drop(left);
    assert_eq!(bill.cost_micro_usd(), 101, "dropped without being read");
    insta::assert_snapshot!(metrics.lines("claude_cost_micro_usd_total"), @r#"claude_cost_micro_usd_total{model="claude-haiku-5-5"} 202"#);
    insta::assert_snapshot!(metrics.lines("claude_requests_total"), @r#"
    claude_requests_total{model="claude-haiku-5-5",outcome="abandoned"} 1
    claude_requests_total{model="claude-haiku-5-5",outcome="not_understood"} 1
    "#);
}

#[tokio::test]
async fn answers_without_a_price_are_counted() {
    let (recorder, metrics) = metrics();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let service = Service::start([Reply::text("Yes.")]).await;
    let prices = "another=1/5".parse().unwrap();
    let client = Client::new(Settings { prices, ..settings(&service) }).unwrap();
    assert_eq!(client.send(&question()).await.unwrap().cost_micro_usd, 0);
    insta::assert_snapshot!(metrics.lines("claude_unpriced_total"), @r#"claude_unpriced_total{model="claude-haiku-5-5"} 1"#);
}

#[tokio::test]
async fn an_answer_from_an_unknown_model_is_priced_as_the_requested_one() {
    let mut body = message("Yes.");
    body["model"] = json!("an-unknown-name");
    let service = Service::start([Reply::message(&body, &[])]).await;
    let answer = client(&service).send(&question()).await.unwrap();
    assert_eq!((answer.model.as_str(), answer.cost_micro_usd), ("an-unknown-name", 150));
}

#[tokio::test]
async fn an_answer_is_logged_with_its_request_id_and_cost() {
    let log = Log::start();
    let service = Service::start([Reply::text("Yes.")]).await;
    client(&service).send(&question()).await.unwrap();
    let text = log.text();
    let line = text.lines().find(|line| line.contains("claude answered")).unwrap();
    let (_, fields) = line.split_once("claude answered").unwrap();
    insta::assert_snapshot!(fields, @r#" model="claude-haiku-5-5" request_id="req_1" stop_reason="end_turn" input_tokens=1000 output_tokens=100 cost_micro_usd=150 attempts=1"#);
}
