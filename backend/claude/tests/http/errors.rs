//! Errors, classified by status and type.

use crate::ask::{client_without_retries, error_of, spawn_call};
use crate::reply::{Reply, Then};
use crate::service::{Service, wait_until};
use claude::{ClaudeError, Kind};
use std::time::Duration;
use tokio::time::Instant;

/// Returns the error of a call that gets this reply.
async fn error_for(reply: Reply) -> ClaudeError {
    let service = Service::start([reply]).await;
    error_of(&client_without_retries(&service)).await
}

#[tokio::test]
async fn each_status_has_its_kind() {
    let table = [
        (400, "invalid_request_error", Kind::InvalidRequest, false),
        (401, "authentication_error", Kind::Authentication, false),
        (402, "billing_error", Kind::Billing, false),
        (403, "permission_error", Kind::Permission, false),
        (404, "not_found_error", Kind::NotFound, false),
        (409, "conflict_error", Kind::Conflict, true),
        (413, "request_too_large", Kind::RequestTooLarge, false),
        (429, "rate_limit_error", Kind::RateLimited, true),
        (500, "api_error", Kind::Service, true),
        (504, "timeout_error", Kind::ServiceTimedOut, true),
        (529, "overloaded_error", Kind::Overloaded, true),
        (503, "some_new_error", Kind::Service, true),
        (418, "some_new_error", Kind::OtherStatus, false),
    ];
    for (status, name, kind, is_retryable) in table {
        let error = error_for(Reply::error(status, name, &[])).await;
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{error}");
        assert_eq!(error.message(), format!("This is {name}."));
        assert_eq!(error.request_id(), Some("req_1"));
        assert_eq!(error.is_retryable(), is_retryable, "{error}");
        assert_eq!((error.retry_after(), error.attempts()), (None, 1));
    }
}

#[tokio::test]
async fn the_spend_limit_is_distinct_from_a_rate_limit() {
    let error = error_for(Reply::spent()).await;
    assert_eq!((error.kind(), error.status()), (Kind::SpendLimit, Some(429)));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn an_error_with_a_foreign_body_is_classified_by_status() {
    for body in ["<html>", "", "{}", r#"{"error":"overloaded"}"#, &"x".repeat(200_000)] {
        let error = error_for(Reply::new(502, &[("request-id", "req_2")], body)).await;
        assert_eq!((error.kind(), error.request_id()), (Kind::Service, Some("req_2")), "{body}");
    }
    let error = error_for(Reply::new(302, &[("location", "http://127.0.0.1:1/")], "")).await;
    assert_eq!((error.kind(), error.status()), (Kind::OtherStatus, Some(302)));
}

#[tokio::test]
async fn an_error_whose_body_never_arrives_is_classified_by_status() {
    let mut bodiless = Reply::error(529, "overloaded_error", &[]).then(Then::Hang);
    bodiless.bytes.truncate(bodiless.bytes.len() - 1);
    let service = Service::start([bodiless]).await;
    let client = client_without_retries(&service);
    let call = spawn_call(&client);
    wait_until("the response head arrives", || service.count() == 1 && client.silence().is_none())
        .await;
    tokio::time::pause();
    let before = Instant::now();
    assert_eq!(call.await.unwrap().unwrap_err().kind(), Kind::Overloaded);
    assert_eq!(before.elapsed().as_secs(), 5, "the timeout for error bodies");
}

#[tokio::test]
async fn the_wait_is_passed_on() {
    let check = |name, value, expected_ms| async move {
        let error = error_for(Reply::error(429, "rate_limit_error", &[(name, value)])).await;
        assert_eq!(error.retry_after(), Some(Duration::from_millis(expected_ms)), "{value}");
    };
    check("retry-after", "300", 300_000).await;
    check("retry-after-ms", "20", 20).await;
}

#[tokio::test]
async fn a_message_is_cut_to_one_line() {
    let error =
        serde_json::json!({"type": "api_error", "message": format!("a\nb{}", "x".repeat(999))});
    let error = error_for(Reply::error_object(500, &error, &[])).await;
    assert!(error.message().starts_with("a bxxx") && error.message().len() < 310, "{error}");
}

#[tokio::test]
async fn an_errors_text_has_all_details() {
    let headers = [("request-id", "req_9"), ("retry-after", "2")];
    let error = error_for(Reply::error(529, "overloaded_error", &headers)).await;
    insta::assert_snapshot!(error, @"Claude: overloaded: This is overloaded_error.; status 529; request req_9; try again in 2000 ms");
    insta::assert_snapshot!(error_for(Reply::new(502, &[], "Bad gateway")).await, @"Claude: service: expected an answer or an error of the service, found neither; status 502");
}
