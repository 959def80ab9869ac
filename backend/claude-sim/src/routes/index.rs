//! The index page, the health check, and the fallbacks.

use super::{json as reply, refused};
use crate::refusal::{Kind, Refusal};
use crate::sim::Sim;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;

const INDEX: &str = "\
claude-sim: a development server that speaks the Claude Messages API, without a model.

POST   /v1/messages   answers like the service; with \"stream\": true, as events
GET    /sim/requests  shows requests: {\"count\", \"requests\", \"at_once\", \"most_at_once\"}
DELETE /sim/requests  forgets all requests
GET    /sim/faults    shows the pending faults
POST   /sim/faults    adds faults: {\"times\": 2, \"status\": 529}
DELETE /sim/faults    clears all faults
GET    /sim/health    checks the server's health
";

/// `GET /`
pub(crate) async fn index() -> &'static str {
    INDEX
}

/// `GET /sim/health`
pub(crate) async fn health() -> Response {
    reply(StatusCode::OK, &json!({ "status": "ok" }))
}

/// Handles unknown routes.
pub(crate) async fn not_found(State(sim): State<Arc<Sim>>) -> Response {
    refused(&Refusal::new(Kind::NotFound, "Not Found"), &sim.next_request_id())
}

/// Handles known routes with another method.
pub(crate) async fn method_not_allowed(State(sim): State<Arc<Sim>>) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let refusal = Refusal { status, ..Refusal::new(Kind::InvalidRequest, "Method Not Allowed") };
    refused(&refusal, &sim.next_request_id())
}
