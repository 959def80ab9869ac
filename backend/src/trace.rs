//! One log line per request, with the id that its reply carries.
//!
//! The log contains nothing personal: the route's template instead of the path, no headers, no
//! body.

use crate::{clock, telemetry};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

/// The header with a request's id, across services.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Routes that orchestrators poll every few seconds. Logged at debug level.
const POLLED: [&str; 4] = ["/health", "/health/live", "/health/ready", "/metrics"];
/// The longest accepted id from a client.
const MAX_ID_BYTES: usize = 128;

/// Assigns the request's id, counts it ([`telemetry::count`]), and logs the outcome.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let id = request.headers().get(&REQUEST_ID).and_then(accepted_id).unwrap_or_else(new_id);
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default());
    let mut response = logged(request, next).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn logged(request: Request, next: Next) -> Response {
    let start = clock::start();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = telemetry::count(request, next).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = response.status().as_u16();
    let elapsed_us = start.elapsed().as_micros();
    if POLLED.contains(&route) {
        tracing::debug!(%method, route, status, elapsed_us, "served");
    } else {
        tracing::info!(%method, route, status, elapsed_us, "served");
    }
    response
}

/// Returns the request's own id, if it is safe to log.
fn accepted_id(value: &HeaderValue) -> Option<HeaderValue> {
    let bytes = value.as_bytes();
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(b);
    let valid = (1..=MAX_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(is_plain);
    valid.then(|| value.clone())
}

fn new_id() -> HeaderValue {
    HeaderValue::try_from(Uuid::new_v4().to_string())
        .unwrap_or_else(|_| HeaderValue::from_static("none"))
}
