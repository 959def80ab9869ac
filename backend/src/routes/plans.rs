//! `GET /api/pricing`, `GET /api/subscription` and `PUT /api/subscription`.

use crate::accounts::Caller;
use crate::app::App;
use crate::fields::Fields;
use crate::plans::{self, Plan};
use crate::respond::{self, ApiError};
use crate::user::Tier;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;

/// How long others may keep the prices: they are the same for everyone.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

#[derive(Serialize)]
struct PricingReply {
    currency: &'static str,
    plans: [Plan; 3],
}

#[derive(Serialize)]
struct SubscriptionReply {
    /// The user's plan.
    tier: Tier,
    /// The plan that the request's token names, which the gateway goes by until it is refreshed.
    token_tier: Tier,
    ai_requests_per_day: u32,
}

/// What there is to choose from.
pub async fn pricing(State(app): State<Arc<App>>) -> Response {
    let plans = plans::all(app.config.ai_limits);
    let mut response = respond::json(StatusCode::OK, &PricingReply { currency: "USD", plans });
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
    response
}

/// The caller's plan.
///
/// # Errors
/// 401 without a good token.
pub async fn subscription(State(app): State<Arc<App>>, caller: Caller) -> Response {
    shown(&app, caller.user.tier, caller.token_tier)
}

/// Changes the caller's plan. The change is in their next token, and a refreshed one carries it.
///
/// # Errors
/// 422 for a plan that there is not.
pub async fn subscribe(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut body: Fields,
) -> Result<Response, ApiError> {
    let tier =
        body.text("tier", |name| Tier::named(name).ok_or("expected one of free, starter and pro"));
    let tier = body.finish(tier)?;
    app.accounts.subscribe(&caller, tier).await?;
    Ok(shown(&app, tier, caller.token_tier))
}

fn shown(app: &App, tier: Tier, token_tier: Tier) -> Response {
    let ai_requests_per_day = app.config.ai_limits.of(tier);
    respond::json(StatusCode::OK, &SubscriptionReply { tier, token_tier, ai_requests_per_day })
}
