//! `GET /.well-known/jwks.json`: the keys that tokens can be verified with (RFC 7517).

use crate::app::App;
use crate::respond;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;

/// How long others may keep the keys: a new key is published at least this long before it signs.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Answers with the public halves of all keys.
pub async fn jwks(State(app): State<Arc<App>>) -> Response {
    let mut response = respond::json(StatusCode::OK, app.accounts.keys().published());
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
    response
}
