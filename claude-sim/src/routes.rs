//! What [`crate::router`] calls.

pub mod index;
pub mod messages;
pub mod sim;

use crate::refusal::Refusal;
use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

/// Names a request in what is logged and told.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// A refusal as a reply.
fn refused(refusal: &Refusal, request_id: &str) -> Response {
    let response = (refusal.status, Json(refusal.body(request_id))).into_response();
    with_request_id(response, request_id)
}

/// The reply under the request's name.
fn with_request_id(mut response: Response, request_id: &str) -> Response {
    if let Ok(id) = HeaderValue::try_from(request_id) {
        // What a fault has set stays.
        response.headers_mut().entry(REQUEST_ID).or_insert(id);
    }
    response
}
