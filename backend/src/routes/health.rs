//! `GET /health`, `/health/live` and `/health/ready`: how the service is. They read what is known,
//! and wait for nothing.

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
    /// Something that it can do without is away.
    Degraded,
    /// Something that nearly every route needs is away.
    Down,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ShortHealth)]
struct Short {
    status: Status,
}

/// Answers 200 as long as requests are served; `status` says how well.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "operation",
    responses((status = 200, description = "How the service and what it needs are", body = Reply<'_>))
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

/// Answers 200 as long as the process runs: one that does not is to be started anew.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "health_live",
    tag = "operation",
    responses((status = 200, description = "It runs", body = Short))
)]
pub(crate) async fn live() -> Response {
    respond::json(StatusCode::OK, &Short { status: Status::Ok })
}

/// Answers 200 if requests should come here: 503 while the database is away.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "health_ready",
    tag = "operation",
    responses(
        (status = 200, description = "Requests should come here", body = Short),
        (status = 503, description = "The database is away", body = Short),
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
