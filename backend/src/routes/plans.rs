//! `GET /api/pricing`, `GET /api/subscription` and `PUT /api/subscription`.

use crate::accounts::Caller;
use crate::app::App;
use crate::cache::{Aborted, Cached, Entry, Loaded, SealKey, Use};
use crate::fields::Fields;
use crate::openapi::{PaymentProof, TierBody};
use crate::plans::{self, Plan};
use crate::respond::{self, ApiError};
use crate::user::Tier;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Lets clients cache the prices, which are the same for everyone.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// The key for the cached prices. It is public, and so are they.
const PUBLIC_KEY: [u8; 32] = *b"tollgate: prices, for all to see";

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Pricing)]
struct PricingReply {
    #[schema(pattern = "^USD$")]
    currency: String,
    plans: [Plan; 3],
}

/// The cached part of a subscription: everything that doesn't depend on the token.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = PresentPlan)]
struct Subscription {
    /// The user's plan.
    tier: Tier,
    ai_requests_per_day: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
struct SubscriptionReply {
    /// The plan in the request's token. The gateway goes by it until the token is refreshed.
    token_tier: Tier,
    #[serde(flatten)]
    subscription: Subscription,
}

/// Returns the available plans.
///
/// # Errors
/// 503 if too many requests are in progress.
#[utoipa::path(
    get,
    path = "/api/pricing",
    operation_id = "pricing",
    tag = "plans",
    params(Use),
    responses((
        status = 200, description = "The plans, cheapest first", body = PricingReply,
        headers(("Cache-Control" = String, description = "The time that the prices can be cached")),
    ))
)]
pub(crate) async fn pricing(State(app): State<Arc<App>>, use_: Use) -> Result<Response, ApiError> {
    let limits = app.config.ai_limits;
    let entry = Entry::pricing(limits.version(), app.cache.ttls());
    let load = || async move {
        let plans = plans::all(limits);
        Ok(Loaded::keep(PricingReply { currency: "USD".to_owned(), plans }))
    };
    let cached = app.cache.get_or_load(&entry, &SealKey::new(PUBLIC_KEY), use_, load).await;
    let Cached { value, origin } = cached.map_err(|error: Arc<Aborted>| *error)?;
    let mut response = respond::json(StatusCode::OK, &value);
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
    origin.mark(entry.ttl, &mut response);
    Ok(response)
}

/// Returns the caller's plan.
///
/// # Errors
/// 401 without a valid token.
#[utoipa::path(
    get,
    path = "/api/subscription",
    operation_id = "subscription",
    tag = "plans",
    security(("token" = [])),
    params(Use),
    responses((status = 200, description = "The plan", body = SubscriptionReply))
)]
pub(crate) async fn subscription(
    State(app): State<Arc<App>>,
    caller: Caller,
    use_: Use,
) -> Result<Response, ApiError> {
    let (entry, key) = (entry(&app, &caller), caller.secret.seal_key());
    let now = now(&app, caller.user.tier);
    let load = || async move { Ok(Loaded::keep(now)) };
    let cached = app.cache.get_or_load(&entry, &key, use_, load).await;
    let Cached { value, origin } = cached.map_err(|error: Arc<Aborted>| *error)?;
    let mut response = subscription_reply(value, caller.token_tier);
    origin.mark(entry.ttl, &mut response);
    Ok(response)
}

/// Changes the caller's plan. An upgrade must be paid for outside this service: it requires the
/// operator's secret in the `Payment-Token` header, so the request comes from the operator's
/// payment system. A downgrade needs only the access token. Refresh the token for the new plan to
/// take effect at the gateway.
///
/// # Errors
/// 403 for an upgrade without that secret, 422 for an unknown plan.
#[utoipa::path(
    put,
    path = "/api/subscription",
    operation_id = "subscribe",
    tag = "plans",
    security(("token" = [])),
    params(PaymentProof),
    request_body = TierBody,
    responses(
        (status = 200, description = "The new plan", body = SubscriptionReply),
        (status = 403, description = "An upgrade without the secret that proves payment"),
    )
)]
pub(crate) async fn subscribe(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    mut body: Fields,
) -> Result<Response, ApiError> {
    let tier =
        body.text("tier", |name| Tier::named(name).ok_or("expected one of free, starter and pro"));
    let tier = body.finish(tier)?;
    let is_paid = app.config.payment_token.as_ref().is_some_and(|token| token.is_in(&headers));
    app.accounts.subscribe(&caller, tier, is_paid).await?;
    app.cache.invalidate(&entry(&app, &caller)).await;
    Ok(subscription_reply(now(&app, tier), caller.token_tier))
}

/// Returns the cache entry of the caller's subscription. Its version derives from the inputs: the
/// plan, which comes with the session, and the limits.
pub(super) fn entry(app: &App, caller: &Caller) -> Entry {
    let version = app.config.ai_limits.version().wrapping_add(caller.user.tier as u64);
    Entry::subscription(caller.user.id, version, app.cache.ttls())
}

fn now(app: &App, tier: Tier) -> Subscription {
    Subscription { tier, ai_requests_per_day: app.config.ai_limits.of(tier) }
}

fn subscription_reply(subscription: Subscription, token_tier: Tier) -> Response {
    respond::json(StatusCode::OK, &SubscriptionReply { token_tier, subscription })
}
