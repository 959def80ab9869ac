//! `GET /healthz`: reports if the shim can decide.

use super::refused::Refused;
use super::reply::json;
use crate::app::App;
use axum::extract::State;
use axum::response::Response;
use ledger::store::{Fault, Health};
use serde_json::json as value;
use std::time::Duration;
use tokio::time::timeout;

/// The timeout of the ledger's health check.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Answers 200 while all or part of the ledger responds, and 503 otherwise.
pub(super) async fn healthz(State(app): State<App>) -> Result<Response, Refused> {
    let health = timeout(TIMEOUT, app.ledger.health()).await;
    let is_reached = app.ledger.is_reached();
    match health {
        Ok(Health::Down(fault @ Fault::Unsupported { .. })) => {
            Err(Refused::unavailable(fault.to_string()))
        }
        _ if !is_reached => Err(Refused::unavailable("The ledger has not been reached yet.")),
        Ok(Health::Up) => Ok(json(&value!({ "status": "ok", "ledger": "up" }))),
        Ok(Health::Partial { up, of }) => {
            Ok(json(&value!({ "status": "degraded", "ledger": { "up": up, "of": of } })))
        }
        Ok(Health::Down(fault)) => Err(Refused::unavailable(fault.to_string())),
        Err(_) => Err(Refused::unavailable("The ledger did not answer within a second.")),
    }
}
