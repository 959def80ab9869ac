//! Every route, on one screen.

use crate::app::App;
use crate::routes::{ai, auth, export, health, index, jwks, me, plans, resumes, usage};
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
        .route("/api/auth/refresh", post(auth::refresh))
        .route("/api/auth/logout", post(auth::log_out))
        .route("/api/auth/password", post(auth::change_password))
        .route("/api/me", get(me::me).delete(me::leave))
        .route("/api/resumes", get(resumes::list).post(resumes::create))
        .route(
            "/api/resumes/{id}",
            get(resumes::read).put(resumes::replace).patch(resumes::edit).delete(resumes::delete),
        )
        .route("/api/resumes/{id}/export", get(export::export))
        .route("/api/pricing", get(plans::pricing))
        .route("/api/subscription", get(plans::subscription).put(plans::subscribe))
        .route("/api/usage", get(usage::usage));
    // These take as long as a model does.
    let asked = Router::new()
        .route("/api/ai/analyze-ats-score", post(ai::analyze_ats_score))
        .route("/api/ai/optimize-resume", post(ai::optimize_resume))
        .route("/api/ai/extract-keywords", post(ai::extract_keywords))
        .route("/api/ai/generate-cover-letter", post(ai::generate_cover_letter))
        .route("/api/ai/optimize-linkedin", post(ai::optimize_linkedin));
    // Answers even when as many requests are being served as may.
    let uncounted = Router::new()
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready));

    guard::bounded(counted)
        .merge(guard::bounded_for_models(asked))
        .merge(guard::in_time(uncounted))
        .fallback(respond::not_found)
        .method_not_allowed_fallback(respond::method_not_allowed)
        .with_state(app)
        .layer(guard::catch_panic())
        .layer(from_fn(trace::trace))
}
