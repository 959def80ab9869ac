//! `/sim/requests`, and unknown routes.

use super::client::{Sim, request};
use futures_util::future::join_all;
use serde_json::{Value, json};

#[tokio::test]
async fn requests_are_counted_and_shown_until_cleared() {
    let sim = Sim::start().await;
    sim.ask(&request()).await;
    sim.ask(&json!({ "model": 5 })).await;
    let seen = sim.control("GET", "/sim/requests", &Value::Null).await.json();
    assert_eq!(seen["count"], 2);
    assert_eq!(seen["requests"], json!([request(), { "model": 5 }]));
    assert_eq!(sim.control("DELETE", "/sim/requests", &Value::Null).await.status, 204);
    let seen = sim.control("GET", "/sim/requests", &Value::Null).await.json();
    assert_eq!(seen, json!({ "count": 0, "requests": [], "at_once": 0, "most_at_once": 0 }));
}

#[tokio::test]
async fn it_counts_concurrent_requests() {
    let sim = Sim::start().await;
    sim.fault(&json!({ "delay_ms": 500 })).await;
    let body = request();
    join_all((0..5).map(|_| sim.ask(&body))).await;
    let seen = sim.control("GET", "/sim/requests", &Value::Null).await.json();
    assert_eq!(seen["most_at_once"], 5);
}

#[tokio::test]
async fn it_has_an_index_page() {
    let sim = Sim::start().await;
    let index = sim.control("GET", "/", &Value::Null).await;
    assert!(index.text.starts_with("claude-sim: a development server"), "{}", index.text);
    assert_eq!(
        sim.control("GET", "/sim/health", &Value::Null).await.json(),
        json!({ "status": "ok" })
    );
}

#[tokio::test]
async fn unknown_routes_and_methods_are_errors_in_the_services_format() {
    let sim = Sim::start().await;
    let errors = [
        sim.control("GET", "/v1/complete", &Value::Null).await.error(),
        sim.control("GET", "/v1/messages", &Value::Null).await.error(),
    ];
    insta::assert_snapshot!(errors.join("\n"), @"
    404 not_found_error: Not Found
    405 invalid_request_error: Method Not Allowed
    ");
}
