//! What it is, whether it runs, and what is answered where there is nothing.

use super::{json as reply, refused};
use crate::refusal::{Kind, Refusal};
use crate::sim::Sim;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;

const INDEX: &str = "\
claude-sim: a development server that speaks the Claude Messages API. No model is behind it.

POST   /v1/messages   as the service; with \"stream\": true, as events
GET    /sim/requests  what came: {\"count\", \"requests\", \"at_once\", \"most_at_once\"}
DELETE /sim/requests  forgets them
GET    /sim/faults    what is to go wrong
POST   /sim/faults    adds to it: {\"times\": 2, \"status\": 529}
DELETE /sim/faults    clears it
GET    /sim/health
";

/// `GET /`
pub(crate) async fn index() -> &'static str {
    INDEX
}

/// `GET /sim/health`
pub(crate) async fn health() -> Response {
    reply(StatusCode::OK, &json!({ "status": "ok" }))
}

/// No such route.
pub(crate) async fn not_found(State(sim): State<Arc<Sim>>) -> Response {
    refused(&Refusal::new(Kind::NotFound, "Not Found"), &sim.next_request_id())
}

/// No such method.
pub(crate) async fn method_not_allowed(State(sim): State<Arc<Sim>>) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let refusal = Refusal { status, ..Refusal::new(Kind::InvalidRequest, "Method Not Allowed") };
    refused(&refusal, &sim.next_request_id())
}
