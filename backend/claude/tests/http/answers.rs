//! Plain answers.

use crate::ask::{client, error_of, question};
use crate::reply::{Reply, Then, message};
use crate::service::Service;
use claude::{Client, Effort, Kind, Request, Settings, StopReason, System};
use serde_json::json;

#[tokio::test]
async fn the_answer_contains_the_text_without_thinking() {
    let mut body = message("Yes.");
    body["content"] = json!([
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        {"type": "some_new_block", "data": {"a": 1}},
        {"type": "text", "text": "Yes.", "citations": null, "new": 1},
    ]);
    body["some_new_field"] = json!([1]);
    let service = Service::start([Reply::message(&body, &[])]).await;
    let answer = client(&service).send(&question()).await.unwrap();
    insta::assert_snapshot!(serde_json::to_string(&answer).unwrap(), @r#"{"text":"Yes.","stop_reason":"end_turn","model":"claude-haiku-5-5","usage":{"input_tokens":1000,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"cache_read_tokens":0,"output_tokens":100,"thinking_tokens":0},"request_id":"req_1","cost_micro_usd":150}"#);
}

#[tokio::test]
async fn requests_have_the_expected_headers_and_body() {
    let service = Service::start([Reply::text("{}")]).await;
    let request = Request {
        effort: Some(Effort::Medium),
        system: vec![System { text: "Be brief.".to_owned(), cached: true }],
        schema: Some(json!({"type": "object", "additionalProperties": false})),
        user_id: Some("u1".to_owned()),
        ..question()
    };
    client(&service).send(&request).await.unwrap();
    let received = &service.received()[0];
    let host = service.url.strip_prefix("http://").unwrap();
    insta::assert_snapshot!(received.head.replace(host, "HOST").replace('\r', ""), @r"
    POST /v1/messages HTTP/1.1
    x-api-key: sk-ant-the-key-itself
    anthropic-version: 2023-06-01
    content-type: application/json
    user-agent: tollgate-claude/0.1.0
    host: HOST
    content-length: 361
    ");
    insta::assert_snapshot!(received.body, @r#"{"max_tokens":256,"messages":[{"content":"What is the question itself?","role":"user"}],"metadata":{"user_id":"u1"},"model":"claude-haiku-5-5","output_config":{"effort":"medium","format":{"schema":{"additionalProperties":false,"type":"object"},"type":"json_schema"}},"system":[{"cache_control":{"ttl":"1h","type":"ephemeral"},"text":"Be brief.","type":"text"}]}"#);
}

#[tokio::test]
async fn a_structured_answer_is_returned_as_json_text() {
    let service = Service::start([Reply::text(r#"{"score":78}"#)]).await;
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["score"],
                        "properties": {"score": {"type": "integer"}}});
    let request = Request { schema: Some(schema.clone()), ..question() };
    let answer = client(&service).send(&request).await.unwrap();
    assert_eq!(answer.text, r#"{"score":78}"#);
    let format = json!({"type": "json_schema", "schema": schema});
    assert_eq!(service.received()[0].body["output_config"], json!({"format": format}));
}

#[tokio::test]
async fn a_truncated_or_refused_answer_is_not_an_error() {
    for reason in ["max_tokens", "refusal", "some_new_reason"] {
        let mut body = message("");
        body["stop_reason"] = json!(reason);
        body["content"] = json!([]);
        let service = Service::start([Reply::message(&body, &[])]).await;
        let answer = client(&service).send(&question()).await.unwrap();
        assert_eq!(answer.stop_reason, StopReason::from(reason.to_owned()));
        assert!(!answer.stop_reason.is_complete());
        assert_eq!(answer.text, "");
    }
}

#[tokio::test]
async fn a_path_of_the_base_url_is_kept() {
    for path in ["/gateway", "/gateway/"] {
        let service = Service::start([Reply::text("Yes.")]).await;
        let url = format!("{}{path}", service.url).parse().unwrap();
        let client = Client::new(Settings::new(url, "key".parse().unwrap())).unwrap();
        client.send(&question()).await.unwrap();
        assert!(service.received()[0].head.starts_with("POST /gateway/v1/messages HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn connections_are_reused_and_closed_ones_replaced() {
    let replies = [Reply::text("1"), Reply::text("2").then(Then::Close), Reply::text("3")];
    let service = Service::start(replies).await;
    let client = client(&service);
    for text in ["1", "2", "3"] {
        assert_eq!(client.send(&question()).await.unwrap().text, text);
    }
    assert_eq!(service.count(), 3);
}

#[tokio::test]
async fn a_malformed_answer_is_an_error() {
    for body in ["", "<html>", "{}", r#"{"content":[],"stop_reason":null}"#, "[1]"] {
        let service = Service::start([Reply::new(200, &[("request-id", "req_1")], body)]).await;
        let error = error_of(&client(&service)).await;
        assert_eq!((error.kind(), error.attempts()), (Kind::NotUnderstood, 1), "{body}");
        assert_eq!(error.request_id(), Some("req_1"));
    }
}

#[test]
fn a_base_url_has_no_user_query_or_fragment() {
    let check = |url: &str| {
        let settings = Settings::new(url.parse().unwrap(), "key".parse().unwrap());
        Client::new(settings).map(|_client| ()).map_err(|error| error.to_string())
    };
    assert_eq!(check("http://127.0.0.1:1/a/b"), Ok(()));
    insta::assert_snapshot!(check("ftp://host/").unwrap_err(), @"expected an http or https base URL without user, query or fragment, found ftp://host/");
    insta::assert_snapshot!(check("http://user:secret@host/").unwrap_err(), @"expected an http or https base URL without user, query or fragment, found http://user@host/");
    insta::assert_snapshot!(check("http://user@host/").unwrap_err(), @"expected an http or https base URL without user, query or fragment, found http://user@host/");
    insta::assert_snapshot!(check("http://host/?a=b").unwrap_err(), @"expected an http or https base URL without user, query or fragment, found http://host/?a=b");
    insta::assert_snapshot!(check("http://host/#a").unwrap_err(), @"expected an http or https base URL without user, query or fragment, found http://host/#a");
}
