//! All routes on one screen. The test below lists their paths.

use crate::app::App;
use crate::routes::{
    ai, auth, docs, export, health, index, jwks, me, metrics, plans, resumes, usage,
};
use crate::{guard, openapi, respond, trace};
use axum::middleware::from_fn;
use axum::{Extension, Router};
use std::sync::{Arc, LazyLock};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

/// Builds the service. Layers are listed from the inside out.
pub fn router(app: Arc<App>) -> Router {
    guard::limit_requests(limited_routes().into())
        .merge(guard::limit_model_requests(model_routes().into()))
        .merge(guard::limit_duration(unlimited_routes().into()))
        .fallback(respond::not_found)
        .method_not_allowed_fallback(respond::method_not_allowed)
        .with_state(app)
        .layer(guard::catch_panic())
        .layer(from_fn(trace::trace))
}

/// Returns the OpenAPI document as JSON: the descriptions of all routes, completed by
/// `crate::openapi`. Built once.
#[must_use]
pub fn openapi() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let described =
            limited_routes().merge(model_routes()).merge(unlimited_routes()).into_openapi();
        openapi::document(described).to_pretty_json().unwrap_or_default()
    });
    &DOCUMENT
}

fn limited_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(index::index))
        .routes(routes!(docs::openapi_json).layer(Extension(docs::Document(openapi))))
        .routes(routes!(docs::page))
        .routes(routes!(docs::page_file))
        .routes(routes!(jwks::jwks))
        .routes(routes!(auth::sign_up))
        .routes(routes!(auth::log_in))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::log_out))
        .routes(routes!(auth::change_password))
        .routes(routes!(me::me, me::leave))
        .routes(routes!(resumes::list, resumes::create))
        .routes(routes!(resumes::read, resumes::replace, resumes::edit, resumes::delete))
        .routes(routes!(export::export))
        .routes(routes!(plans::pricing))
        .routes(routes!(plans::subscription, plans::subscribe))
        .routes(routes!(usage::usage))
}

/// Routes that take as long as a model does.
fn model_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(ai::analyze_ats_score))
        .routes(routes!(ai::optimize_resume))
        .routes(routes!(ai::extract_keywords))
        .routes(routes!(ai::generate_cover_letter))
        .routes(routes!(ai::optimize_linkedin))
}

/// Routes that answer even at the limit on concurrent requests.
fn unlimited_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_document_lists_all_routes() {
        let document: Value = serde_json::from_str(openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap().iter();
        let lines = paths.map(|(path, item): (_, &Value)| {
            let methods: Vec<_> = item.as_object().unwrap().keys().map(String::as_str).collect();
            format!("{path}: {}", methods.join(", "))
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
        /: get
        /.well-known/jwks.json: get
        /api/ai/analyze-ats-score: post
        /api/ai/extract-keywords: post
        /api/ai/generate-cover-letter: post
        /api/ai/optimize-linkedin: post
        /api/ai/optimize-resume: post
        /api/auth/login: post
        /api/auth/logout: post
        /api/auth/password: post
        /api/auth/refresh: post
        /api/auth/signup: post
        /api/me: delete, get
        /api/pricing: get
        /api/resumes: get, post
        /api/resumes/{id}: delete, get, patch, put
        /api/resumes/{id}/export: get
        /api/subscription: get, put
        /api/usage: get
        /docs: get
        /docs/{file}: get
        /health: get
        /health/live: get
        /health/ready: get
        /metrics: get
        /openapi.json: get
        ");
    }
}
