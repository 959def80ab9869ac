//! What [`crate::router`] calls.

pub(crate) mod index;
pub(crate) mod messages;
pub(crate) mod sim;

use crate::refusal::Refusal;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Names a request in what is logged and told.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// `value` as a reply.
fn json(status: StatusCode, value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, value.to_string()).into_response()
}

/// A refusal as a reply.
fn refused(refusal: &Refusal, request_id: &str) -> Response {
    with_request_id(json(refusal.status, &refusal.body(request_id)), request_id)
}

/// The reply under the request's name.
fn with_request_id(mut response: Response, request_id: &str) -> Response {
    if let Ok(id) = HeaderValue::try_from(request_id) {
        // What a fault has set stays.
        response.headers_mut().entry(REQUEST_ID).or_insert(id);
    }
    response
}
