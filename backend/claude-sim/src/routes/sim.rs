//! `/sim/*`: recorded requests and faults.

use super::{json as reply, refused};
use crate::body;
use crate::faults::Fault;
use crate::refusal::{Kind, Refusal};
use crate::sim::Sim;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /sim/requests`
pub(crate) async fn requests(State(sim): State<Arc<Sim>>) -> Response {
    let (count, requests) = sim.recorded.show();
    let shown = json!({
        "count": count,
        "requests": requests,
        "at_once": sim.at_once.now(),
        "most_at_once": sim.at_once.most(),
    });
    reply(StatusCode::OK, &shown)
}

/// `DELETE /sim/requests`
pub(crate) async fn forget_requests(State(sim): State<Arc<Sim>>) -> StatusCode {
    sim.recorded.reset();
    sim.at_once.reset();
    StatusCode::NO_CONTENT
}

/// `GET /sim/faults`
pub(crate) async fn faults(State(sim): State<Arc<Sim>>) -> Response {
    reply(StatusCode::OK, &json!({ "faults": sim.faults.show() }))
}

/// `POST /sim/faults`: adds a fault or an array of them.
pub(crate) async fn add_faults(State(sim): State<Arc<Sim>>, body: Body) -> Response {
    match added(&sim, body).await {
        Ok(()) => faults(State(sim)).await,
        Err(refusal) => refused(&refusal, &sim.next_request_id()),
    }
}

/// `DELETE /sim/faults`
pub(crate) async fn clear_faults(State(sim): State<Arc<Sim>>) -> StatusCode {
    sim.faults.clear();
    StatusCode::NO_CONTENT
}

async fn added(sim: &Sim, body: Body) -> Result<(), Refusal> {
    let wrong = |message: String| Refusal::new(Kind::InvalidRequest, message);
    let faults = match body::parse(&body::read(body).await?)? {
        Value::Array(faults) => faults,
        fault => vec![fault],
    };
    let faults: Result<Vec<Fault>, _> = faults.into_iter().map(serde_json::from_value).collect();
    sim.faults.add(faults.map_err(|error| wrong(error.to_string()))?).map_err(wrong)
}
