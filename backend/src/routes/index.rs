//! `GET /`: the service's name and its routes.

use crate::respond;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = Index)]
struct Reply {
    service: &'static str,
    version: &'static str,
    links: Links,
}

#[derive(Serialize, ToSchema)]
struct Links {
    docs: &'static str,
    openapi: &'static str,
    health: &'static str,
    metrics: &'static str,
    signup: &'static str,
    login: &'static str,
    me: &'static str,
    resumes: &'static str,
    pricing: &'static str,
    analyze_ats_score: &'static str,
    optimize_resume: &'static str,
    extract_keywords: &'static str,
    generate_cover_letter: &'static str,
    optimize_linkedin: &'static str,
    jwks: &'static str,
}

/// Returns the service's name, version and routes.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "index",
    tag = "operation",
    responses((status = 200, description = "The service's name, version and routes", body = Reply))
)]
pub(crate) async fn index() -> Response {
    respond::json(
        StatusCode::OK,
        &Reply {
            service: "tollgate-backend",
            version: env!("CARGO_PKG_VERSION"),
            links: Links {
                docs: "/docs",
                openapi: "/openapi.json",
                health: "/health",
                metrics: "/metrics",
                signup: "/api/auth/signup",
                login: "/api/auth/login",
                me: "/api/me",
                resumes: "/api/resumes",
                pricing: "/api/pricing",
                analyze_ats_score: "/api/ai/analyze-ats-score",
                optimize_resume: "/api/ai/optimize-resume",
                extract_keywords: "/api/ai/extract-keywords",
                generate_cover_letter: "/api/ai/generate-cover-letter",
                optimize_linkedin: "/api/ai/optimize-linkedin",
                jwks: "/.well-known/jwks.json",
            },
        },
    )
}
