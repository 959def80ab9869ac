//! All routes on one screen.

use crate::routes::{index, messages, sim as control};
use crate::sim::Sim;
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

/// Builds the router.
pub(crate) fn router(sim: Arc<Sim>) -> Router {
    Router::new()
        .route("/", get(index::index))
        .route("/v1/messages", post(messages::messages))
        .route("/sim/health", get(index::health))
        .route("/sim/requests", get(control::requests).delete(control::forget_requests))
        .route(
            "/sim/faults",
            get(control::faults).post(control::add_faults).delete(control::clear_faults),
        )
        .fallback(index::not_found)
        .method_not_allowed_fallback(index::method_not_allowed)
        .with_state(sim)
}
