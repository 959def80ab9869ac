//! Successful responses.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Builds a 200 response with `reply` as JSON.
pub(crate) fn json(reply: &impl Serialize) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, serde_json::to_vec(reply).unwrap_or_default()).into_response()
}
