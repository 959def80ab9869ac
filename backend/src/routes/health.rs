//! `GET /health`: how the service is. Reads what is known, waits for nothing.

use crate::app::App;
use crate::redis_probe::RedisState;
use crate::respond;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Reply<'a> {
    status: Status,
    environment: &'a str,
    redis: RedisState,
    cache_enabled: bool,
    rate_limit_enabled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Degraded,
}

/// Answers 200 as long as requests are served; `degraded` if something they can do without is away.
pub async fn health(State(app): State<Arc<App>>) -> Response {
    let redis = app.redis.state();
    let status = if redis == RedisState::Down { Status::Degraded } else { Status::Ok };
    respond::json(
        StatusCode::OK,
        &Reply {
            status,
            environment: &app.config.environment,
            redis,
            cache_enabled: app.config.cache_enabled,
            rate_limit_enabled: app.config.rate_limit_enabled,
        },
    )
}
