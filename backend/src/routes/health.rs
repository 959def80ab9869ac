//! `GET /health`, `/health/live` and `/health/ready`: the service's health. They report the last
//! known state, and wait for nothing.

use crate::ai::ClaudeState;
use crate::app::App;
use crate::cache::RedisState;
use crate::database_probe::DatabaseState;
use crate::respond;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct Reply<'a> {
    status: Status,
    environment: &'a str,
    database: DatabaseState,
    redis: RedisState,
    claude: ClaudeState,
    cache_enabled: bool,
    rate_limit_enabled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HealthStatus)]
enum Status {
    Ok,
    /// A dependency that the service can do without is down.
    Degraded,
    /// A dependency that nearly every route needs is down.
    Down,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ShortHealth)]
struct Short {
    status: Status,
}

/// Reports the service's health. Always 200 while it serves requests; `status` has the details.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "operation",
    responses((status = 200, description = "The health of the service and its dependencies", body = Reply<'_>))
)]
pub(crate) async fn health(State(app): State<Arc<App>>) -> Response {
    let (database, redis, claude) =
        (app.database.state(), app.redis.state(), app.ai.claude_state());
    respond::json(
        StatusCode::OK,
        &Reply {
            status: status(database, redis, claude),
            environment: &app.config.environment,
            database,
            redis,
            claude,
            cache_enabled: app.config.cache_enabled,
            rate_limit_enabled: app.config.rate_limit_enabled,
        },
    )
}

/// Liveness: 200 while the process runs. Restart a process that doesn't answer.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "health_live",
    tag = "operation",
    responses((status = 200, description = "The process runs", body = Short))
)]
pub(crate) async fn live() -> Response {
    respond::json(StatusCode::OK, &Short { status: Status::Ok })
}

/// Readiness: 200 if the service can take requests, 503 while the database is down.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "health_ready",
    tag = "operation",
    responses(
        (status = 200, description = "The service can take requests", body = Short),
        (status = 503, description = "The database is down", body = Short),
    )
)]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let status = status(app.database.state(), app.redis.state(), app.ai.claude_state());
    let code = match status {
        Status::Ok | Status::Degraded => StatusCode::OK,
        Status::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    respond::json(code, &Short { status })
}

fn status(database: DatabaseState, redis: RedisState, claude: ClaudeState) -> Status {
    match (database, redis, claude) {
        (DatabaseState::Down, ..) => Status::Down,
        (_, RedisState::Down, _) | (_, _, ClaudeState::Down | ClaudeState::HalfOpen) => {
            Status::Degraded
        }
        (DatabaseState::Up, ..) => Status::Ok,
    }
}
