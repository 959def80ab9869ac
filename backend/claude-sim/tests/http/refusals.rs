//! Requests the service would refuse.

use super::client::{PATIENCE, Reply, Sim, asking_for, in_prose, request, with};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends each case and returns the errors, one line each.
async fn errors(cases: &[(&str, Value)]) -> String {
    let sim = Sim::start().await;
    let mut lines = Vec::new();
    for (name, body) in cases {
        lines.push(format!("{name} → {}", sim.ask(body).await.error()));
    }
    lines.join("\n")
}

fn user(content: Value) -> Value {
    with(&["messages"], json!([{ "role": "user", "content": content }]))
}

#[tokio::test]
async fn headers_that_are_missing_or_wrong_are_refused() {
    let sim = Sim::start().await;
    let with = async |headers: &[(&str, &str)]| {
        let request =
            headers.iter().fold(sim.bare(request().to_string()), |request, (name, value)| {
                request.header(*name, *value)
            });
        Reply::of(request).await
    };
    let key = ("x-api-key", "key");
    let version = ("anthropic-version", "2023-06-01");
    let real = format!("sk-ant-api03-{}", "a".repeat(95));
    let json = ("content-type", "application/json");
    let lines = [
        with(&[version, json]).await.error(),
        with(&[("x-api-key", ""), version, json]).await.error(),
        with(&[("x-api-key", &real), version, json]).await.error(),
        with(&[key, json]).await.error(),
        with(&[key, ("anthropic-version", "2031-01-01"), json]).await.error(),
        with(&[key, version]).await.error(),
        with(&[key, version, ("content-type", "text/plain")]).await.error(),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    401 authentication_error: x-api-key header is required
    401 authentication_error: x-api-key header is required
    401 authentication_error: this is claude-sim; do not send it a real API key. To use the real service, set ANTHROPIC_BASE_URL=https://api.anthropic.com
    400 invalid_request_error: anthropic-version: header is required
    400 invalid_request_error: anthropic-version: "2031-01-01" is not a valid version
    400 invalid_request_error: content-type: expected application/json
    400 invalid_request_error: content-type: expected application/json
    "#);
    let fine = with(&[key, version, ("content-type", "Application/JSON; charset=utf-8")]).await;
    assert_eq!(fine.status, 200);
}

#[tokio::test]
async fn members_that_are_missing_or_wrong_are_refused() {
    let cases = [
        ("no object", json!([])),
        ("no model", with(&["model"], Value::Null)),
        ("a number for a model", with(&["model"], json!(5))),
        ("an unknown model", with(&["model"], json!("gpt-7"))),
        ("no max_tokens", with(&["max_tokens"], Value::Null)),
        ("max_tokens 0", with(&["max_tokens"], json!(0))),
        ("max_tokens below 0", with(&["max_tokens"], json!(-1))),
        ("a text for max_tokens", with(&["max_tokens"], json!("10"))),
        ("max_tokens too large", with(&["max_tokens"], json!(128_001))),
        ("an unknown member", with(&["max_token"], json!(10))),
        ("a number for stream", with(&["stream"], json!(1))),
        ("an unknown effort", with(&["output_config", "effort"], json!("lowest"))),
        ("an unknown format", with(&["output_config", "format", "type"], json!("json"))),
        ("a long user_id", with(&["metadata", "user_id"], json!("a".repeat(257)))),
        ("an email", with(&["metadata", "email"], json!("ada@example.com"))),
        ("an empty stop sequence", with(&["stop_sequences"], json!(["END", " "]))),
    ];
    insta::assert_snapshot!(errors(&cases).await, @"
    no object → 400 invalid_request_error: body: Input should be a valid object
    no model → 400 invalid_request_error: model: Field required
    a number for a model → 400 invalid_request_error: model: Input should be a string
    an unknown model → 404 not_found_error: model: gpt-7
    no max_tokens → 400 invalid_request_error: max_tokens: Field required
    max_tokens 0 → 400 invalid_request_error: max_tokens: Input should be greater than or equal to 1
    max_tokens below 0 → 400 invalid_request_error: max_tokens: Input should be greater than or equal to 1
    a text for max_tokens → 400 invalid_request_error: max_tokens: Input should be a valid integer
    max_tokens too large → 400 invalid_request_error: max_tokens: 128001 > 128000, which is the maximum allowed number of output tokens for claude-sonnet-5-5
    an unknown member → 400 invalid_request_error: max_token: Extra inputs are not permitted
    a number for stream → 400 invalid_request_error: stream: Input should be a boolean
    an unknown effort → 400 invalid_request_error: output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'
    an unknown format → 400 invalid_request_error: output_config.format.type: Input should be 'json_schema'
    a long user_id → 400 invalid_request_error: metadata.user_id: String should have at most 256 characters
    an email → 400 invalid_request_error: metadata.email: Extra inputs are not permitted
    an empty stop sequence → 400 invalid_request_error: stop_sequences.1: each stop sequence must contain non-whitespace
    ");
}

#[tokio::test]
async fn conversations_begin_and_end_with_the_user() {
    let turn = |role: &str| json!({ "role": role, "content": "Yes" });
    let turns = |roles: &[&str]| with(&["messages"], roles.iter().map(|role| turn(role)).collect());
    let image =
        json!([{ "type": "image", "source": { "type": "url", "url": "https://x.example/a" } }]);
    let kept = json!({ "type": "text", "text": "a", "cache_control": { "type": "ephemeral" } });
    let mut hour = kept.clone();
    hour["cache_control"]["ttl"] = "1h".into();
    let cases = [
        ("no messages", with(&["messages"], Value::Null)),
        ("an empty list", turns(&[])),
        ("the assistant first", turns(&["assistant", "user"])),
        ("prefill", turns(&["user", "assistant"])),
        ("another role", turns(&["system"])),
        ("no content", with(&["messages"], json!([{ "role": "user" }]))),
        ("empty content", user(json!(""))),
        ("an empty block", user(json!([{ "type": "text", "text": "" }]))),
        ("an image", user(image)),
        ("five breakpoints", user(json!([kept, kept, kept, kept]))),
        ("a longer one after a shorter", user(json!([kept, hour]))),
        (
            "another ttl",
            user(
                json!([{ "type": "text", "text": "a", "cache_control": { "type": "ephemeral", "ttl": "1d" } }]),
            ),
        ),
    ];
    insta::assert_snapshot!(errors(&cases).await, @r#"
    no messages → 400 invalid_request_error: messages: Field required
    an empty list → 400 invalid_request_error: messages: at least one message is required
    the assistant first → 400 invalid_request_error: messages: first message must use the "user" role
    prefill → 400 invalid_request_error: messages: This model does not support assistant message prefill. The conversation must end with a user message.
    another role → 400 invalid_request_error: messages: Unexpected role "system". Allowed roles are "user" or "assistant"
    no content → 400 invalid_request_error: messages.0.content: Field required
    empty content → 400 invalid_request_error: messages: messages.0.content: must have non-empty content
    an empty block → 400 invalid_request_error: messages.0.content.0: text content blocks must be non-empty
    an image → 400 invalid_request_error: messages.0.content.0: claude-sim supports only text blocks, found image
    five breakpoints → 400 invalid_request_error: A maximum of 4 blocks with cache_control may be provided. Found 5.
    a longer one after a shorter → 400 invalid_request_error: cache_control: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block
    another ttl → 400 invalid_request_error: messages.0.content.0.cache_control.ttl: Input should be '5m' or '1h'
    "#);
    let sim = Sim::start().await;
    assert_eq!(sim.ask(&turns(&["user", "assistant", "user"])).await.status, 200);
}

#[tokio::test]
async fn parameters_current_models_do_not_support_are_refused() {
    let cases = [
        ("temperature", with(&["temperature"], json!(0.5))),
        ("top_p", with(&["top_p"], json!(0.5))),
        ("top_k", with(&["top_k"], json!(5))),
        (
            "a thinking budget",
            with(&["thinking"], json!({ "type": "enabled", "budget_tokens": 2000 })),
        ),
        ("thinking off", with(&["thinking"], json!({ "type": "disabled" }))),
        ("a forced tool", with(&["tool_choice"], json!({ "type": "tool", "name": "score" }))),
        ("any tool", with(&["tool_choice"], json!({ "type": "any" }))),
        ("tools", with(&["tools"], json!([{ "name": "score", "input_schema": {} }]))),
    ];
    insta::assert_snapshot!(errors(&cases).await, @"
    temperature → 400 invalid_request_error: temperature: sampling parameters are not supported by this model
    top_p → 400 invalid_request_error: top_p: sampling parameters are not supported by this model
    top_k → 400 invalid_request_error: top_k: sampling parameters are not supported by this model
    a thinking budget → 400 invalid_request_error: thinking.budget_tokens: thinking budgets are not supported by this model. Use `output_config.effort`
    thinking off → 400 invalid_request_error: thinking.type: this model takes `adaptive` only. Use `output_config.effort`
    a forced tool → 400 invalid_request_error: tool_choice: forced tool use is not supported by this model
    any tool → 400 invalid_request_error: tool_choice: forced tool use is not supported by this model
    tools → 400 invalid_request_error: tools: claude-sim does not simulate tools
    ");
}

#[tokio::test]
async fn schemas_outside_the_services_subset_are_refused() {
    let object = |properties: Value| json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let cases = [
        ("open", asking_for(&json!({ "type": "object", "properties": {} }))),
        ("open within", asking_for(&object(json!({ "a": { "type": "object" } })))),
        ("a range", asking_for(&object(json!({ "a": { "type": "integer", "maximum": 9 } })))),
    ];
    insta::assert_snapshot!(errors(&cases).await, @"
    open → 400 invalid_request_error: output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false
    open within → 400 invalid_request_error: output_config.format.schema: properties.a: For 'object' type, 'additionalProperties' must be explicitly set to false
    a range → 400 invalid_request_error: output_config.format.schema: properties.a: For 'integer' type, property 'maximum' is not supported
    ");
}

#[tokio::test]
async fn a_malformed_or_overlarge_body_is_refused() {
    let sim = Sim::start().await;
    let ask = async |body: String| Reply::of(sim.post(&Value::Null).body(body)).await.error();
    let large = " ".repeat(32 * 1024 * 1024 + 1);
    let lines = [ask("{\"model\": ".to_owned()).await, ask(large).await];
    insta::assert_snapshot!(lines.join("\n"), @"
    400 invalid_request_error: The request body is not valid JSON: EOF while parsing a value at line 1 column 10
    413 request_too_large: Request exceeds the maximum size
    ");
    // They are recorded nevertheless.
    let seen = sim.control("GET", "/sim/requests", &Value::Null).await.json();
    assert_eq!(seen["requests"], json!([null, null]));
}

#[tokio::test]
async fn a_client_that_sends_an_overlarge_body_before_reading_gets_the_response() {
    let sim = Sim::start().await;
    let address = sim.running.address();
    let reply = tokio::task::spawn_blocking(move || {
        let body = vec![b' '; 48 * 1024 * 1024];
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(stream, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: key\r\n").unwrap();
        write!(stream, "anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n")
            .unwrap();
        write!(stream, "connection: close\r\ncontent-length: {length}\r\n\r\n").unwrap();
        stream.write_all(&body).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    });
    let reply = tokio::time::timeout(PATIENCE, reply).await.unwrap().unwrap();
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

#[tokio::test]
async fn a_body_at_the_limit_is_accepted() {
    let sim = Sim::start().await;
    let mut body = in_prose().to_string();
    body.push_str(&" ".repeat(32 * 1024 * 1024 - body.len()));
    assert_eq!(Reply::of(sim.post(&Value::Null).body(body)).await.status, 200);
}
