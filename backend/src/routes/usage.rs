//! `GET /api/usage`: the caller's remaining quotas.

use crate::accounts::Caller;
use crate::app::App;
use crate::clock;
use crate::quota::Usage;
use crate::respond;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = UsageReply)]
struct Reply {
    status: Status,
    ai_daily: Usage,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UsageStatus)]
enum Status {
    Ok,
    /// The current usage is unknown.
    Degraded,
}

/// Returns today's AI quota: what the ledger has counted against the plan in the caller's token. If
/// the ledger is unreachable, returns the limit alone.
///
/// # Errors
/// 401 without a valid token.
#[utoipa::path(
    get,
    path = "/api/usage",
    operation_id = "usage",
    tag = "plans",
    security(("token" = [])),
    responses((status = 200, description = "Today's usage", body = Reply))
)]
pub(crate) async fn usage(State(app): State<Arc<App>>, caller: Caller) -> Response {
    let (limit, now) = (app.config.ai_limits.of(caller.token_tier), clock::now());
    let counted = match &app.ledger {
        Some(ledger) => ledger.ai_usage(caller.user.id, limit, now).await,
        None => return reply(Status::Degraded, Usage::unknown(limit, now)),
    };
    match counted {
        Ok(usage) => reply(Status::Ok, usage),
        Err(error) => {
            tracing::warn!(%error, "cannot read the usage from the ledger");
            reply(Status::Degraded, Usage::unknown(limit, now))
        }
    }
}

fn reply(status: Status, ai_daily: Usage) -> Response {
    respond::json(StatusCode::OK, &Reply { status, ai_daily })
}
