//! `GET /`: what this is, and where to go on.

use crate::respond;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

#[derive(Serialize)]
struct Reply {
    service: &'static str,
    version: &'static str,
    links: Links,
}

#[derive(Serialize)]
struct Links {
    health: &'static str,
    signup: &'static str,
    login: &'static str,
    me: &'static str,
    jwks: &'static str,
}

/// Answers with the service's name, version and routes.
pub async fn index() -> Response {
    respond::json(
        StatusCode::OK,
        &Reply {
            service: "tollgate-backend",
            version: env!("CARGO_PKG_VERSION"),
            links: Links {
                health: "/health",
                signup: "/api/auth/signup",
                login: "/api/auth/login",
                me: "/api/me",
                jwks: "/.well-known/jwks.json",
            },
        },
    )
}
