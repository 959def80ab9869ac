//! Every route, on one screen.

use crate::app::App;
use crate::routes::{auth, health, index, jwks, me};
use crate::{guard, respond, trace};
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use std::sync::Arc;

/// The service as one function from request to reply. Layers are listed inside out.
#[must_use]
pub fn router(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/", get(index::index))
        .route("/health", get(health::health))
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .route("/api/auth/signup", post(auth::sign_up))
        .route("/api/auth/login", post(auth::log_in))
        .route("/api/me", get(me::me))
        .fallback(respond::not_found)
        .method_not_allowed_fallback(respond::method_not_allowed)
        .with_state(app);
    guard::guarded(routes).layer(from_fn(trace::trace))
}
