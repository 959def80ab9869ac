//! The public port, with all of its paths on one screen.
//!
//! Started by [`crate::serve`]. A decision passes through [`server`] (connection, `guests`),
//! [`calls`] (bounds, `fair`), [`ledger::checked`] and [`ledger::Ledger::decide`].

mod answer;
pub(crate) mod body;
pub(crate) mod calls;
pub(crate) mod deadline;
pub(crate) mod fair;
pub(crate) mod guests;
pub(crate) mod health;
pub(crate) mod refused;
mod reply;
pub(crate) mod server;

pub(crate) use body::read;
pub(crate) use guests::peer;
pub(crate) use refused::Refused;
pub(crate) use reply::json;

use crate::app::App;
use crate::telemetry;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use limits::wire::{DECIDE_PATH, MARKER_HEADER, MARKER_VALUE, PEEK_PATH, SETTLE_PATH};
use metrics::counter;

/// Builds the router of the public port.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route(DECIDE_PATH, post(calls::decide))
        .route(SETTLE_PATH, post(calls::settle))
        .route(PEEK_PATH, post(calls::peek))
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || Refused::unknown_method())
        .fallback(async || {
            Refused::unknown_path(
                "Expected /v1/decide, /v1/settle, /v1/peek, /healthz or /metrics.",
            )
        })
        .layer(from_fn(mark))
        .with_state(app)
}

/// Counts the reply and adds the header that marks it as the shim's, not a proxy's in between.
async fn mark(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let path = path.as_ref().map_or("other", MatchedPath::as_str).to_owned();
    let status = response.status().as_str().to_owned();
    counter!(telemetry::CALLS, "path" => path, "status" => status).increment(1);
    let marker = HeaderName::from_static(MARKER_HEADER);
    response.headers_mut().insert(marker, HeaderValue::from_static(MARKER_VALUE));
    response
}

async fn metrics(State(app): State<App>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.metrics.render()).into_response()
}
