//! Every route, on one screen.

use crate::app::App;
use crate::routes::{auth, health, index, jwks, me};
use crate::{guard, respond, trace};
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use std::sync::Arc;

/// The service as one function from request to reply. Layers are listed inside out.
pub fn router(app: Arc<App>) -> Router {
    let counted = Router::new()
        .route("/", get(index::index))
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .route("/api/auth/signup", post(auth::sign_up))
        .route("/api/auth/login", post(auth::log_in))
        .route("/api/me", get(me::me));
    // Answers even when as many requests are being served as may.
    let uncounted = Router::new().route("/health", get(health::health));

    guard::bounded_in_number(counted)
        .merge(uncounted)
        .fallback(respond::not_found)
        .method_not_allowed_fallback(respond::method_not_allowed)
        .with_state(app)
        .layer(guard::catch_panic())
        .layer(from_fn(guard::in_time))
        .layer(from_fn(trace::trace))
}
