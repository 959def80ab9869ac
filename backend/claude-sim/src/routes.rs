//! The handlers of [`crate::router`].

pub(crate) mod index;
pub(crate) mod messages;
pub(crate) mod sim;

use crate::refusal::Refusal;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// The header with the request's id, which logs contain too.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Builds a JSON response.
fn json(status: StatusCode, value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, value.to_string()).into_response()
}

/// Builds an error response.
fn refused(refusal: &Refusal, request_id: &str) -> Response {
    with_request_id(json(refusal.status, &refusal.body(request_id)), request_id)
}

/// Adds the request's id.
fn with_request_id(mut response: Response, request_id: &str) -> Response {
    if let Ok(id) = HeaderValue::try_from(request_id) {
        // Keep a header set by a fault.
        response.headers_mut().entry(REQUEST_ID).or_insert(id);
    }
    response
}
