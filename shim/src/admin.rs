//! The admin API behind `tollgate counters` and `tollgate overrides`, on a separate port.
//!
//! [`crate::serve`] opens the port only if a token is set. Every path requires the token.

use crate::app::App;
use crate::http::fair::Fair;
use crate::http::guests::Guest;
use crate::http::{Refused, json, peer, read};
use crate::secret::Token;
use crate::telemetry;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ledger::clock;
use ledger::log_throttle::LogThrottle;
use ledger::overrides::{ChangeError, Override};
use limits::block::Block;
use limits::counter::CounterName;
use limits::json::parse;
use limits::ledger::{SettleId, TopUp, TopUpEffect, ToppedUp};
use limits::problem::PlacedError;
use limits::quota::{MAX_BALANCE, Quota, TopUpAmount};
use metrics::counter;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

/// The timeout for reading a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// The delay before a request without the token is answered.
const PENALTY: Duration = Duration::from_secs(1);
/// The length to which a logged path is cut.
const MAX_LOGGED_CHARS: usize = 64;

static INTRUDERS: LogThrottle = LogThrottle::new(Duration::from_secs(1));

/// Shows a counter.
pub(crate) const SHOW_PATH: &str = "/v1/counters/show";
/// Resets a counter.
pub(crate) const RESET_PATH: &str = "/v1/counters/reset";
/// Lifts a counter's block for repeated refusals.
pub(crate) const UNBLOCK_PATH: &str = "/v1/counters/unblock";
/// Tops up a balance.
pub(crate) const TOP_UP_PATH: &str = "/v1/counters/top-up";
/// Lists the overrides in force.
pub(crate) const OVERRIDES_PATH: &str = "/v1/overrides";
/// Sets an override.
pub(crate) const SET_PATH: &str = "/v1/overrides/set";
/// Removes an override.
pub(crate) const REMOVE_PATH: &str = "/v1/overrides/remove";

/// The request body of [`SHOW_PATH`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Show {
    pub(crate) counter: CounterName,
    pub(crate) quota: Quota,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) block: Option<Block>,
}

/// The response of [`SHOW_PATH`]: the outcome that a charge of 1 would have now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) now_ms: u64,
    pub(crate) admitted: bool,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) reset_ms: u64,
    pub(crate) retry_after_ms: u64,
    /// True if the key is blocked for repeated refusals.
    #[serde(default)]
    pub(crate) blocked: bool,
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub(crate) overriding: Option<Override>,
}

/// The request body of [`RESET_PATH`], [`UNBLOCK_PATH`] and [`REMOVE_PATH`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) counter: CounterName,
}

/// The request body of [`TOP_UP_PATH`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToTopUp {
    pub(crate) counter: CounterName,
    pub(crate) amount: TopUpAmount,
    /// Makes the top-up idempotent. 1..=64 letters, digits, `.`, `_` or `-`.
    pub(crate) id: String,
}

/// The response of [`TOP_UP_PATH`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AddedTo {
    /// False if the same top-up had been made before.
    pub(crate) changed: bool,
    /// All that the balance was ever topped up by.
    pub(crate) added: u64,
}

/// The request body of [`SET_PATH`], and an entry in the response of [`OVERRIDES_PATH`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Overridden {
    pub(crate) counter: CounterName,
    #[serde(rename = "override")]
    pub(crate) overriding: Override,
}

/// The response of [`OVERRIDES_PATH`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) overrides: Vec<Overridden>,
}

/// The response of [`RESET_PATH`], [`UNBLOCK_PATH`], [`SET_PATH`] and [`REMOVE_PATH`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// False if the request had nothing to change.
    pub(crate) changed: bool,
}

/// Builds the router of the admin port, with the token check in front of every path.
pub(crate) fn router(app: App, token: Token) -> Router {
    Router::new()
        .route(SHOW_PATH, post(show))
        .route(RESET_PATH, post(reset))
        .route(UNBLOCK_PATH, post(unblock))
        .route(TOP_UP_PATH, post(top_up))
        .route(OVERRIDES_PATH, get(list))
        .route(SET_PATH, post(set))
        .route(REMOVE_PATH, post(remove))
        .method_not_allowed_fallback(async || Refused::unknown_method())
        .fallback(async || Refused::unknown_path("Expected /v1/counters/… or /v1/overrides…."))
        .layer(from_fn_with_state(token, require))
        .with_state(app)
}

/// Passes requests with the token on without delay.
///
/// Requests without it are counted, logged at a limited rate, and refused after [`PENALTY`].
/// Until then their connection counts as idle, so it is the first to be closed when the port runs
/// out of connections. This keeps them from blocking operators.
async fn require(State(token): State<Token>, request: Request, next: Next) -> Response {
    let offered = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    let offered = offered.and_then(|value| value.split_first_chunk::<7>());
    match offered {
        Some((scheme, offered)) if scheme.eq_ignore_ascii_case(b"Bearer ") && token.is(offered) => {
            next.run(request).await
        }
        _ => {
            let (peer, path) = (peer(request.extensions()), request.uri().path());
            counter!(telemetry::INTRUDERS).increment(1);
            if let Some(held_back) = INTRUDERS.permit(clock::instant()) {
                let path: String = path.chars().take(MAX_LOGGED_CHARS).collect();
                warn!(%peer, path, held_back, "an attempt to use the admin API without its token");
            }
            let waiting = request.extensions().get::<Arc<Guest>>().map(Guest::wait);
            sleep(PENALTY).await;
            drop(waiting);
            Refused::unauthorized().into_response()
        }
    }
}

async fn show(State(app): State<App>, body: Body) -> Result<Response, Refused> {
    let Show { counter, quota, block } = parsed(body).await?;
    let book = app.ledger.overrides().ok_or_else(not_reached)?;
    let now_ms = app.ledger.now_ms();
    let overriding = book.applying_to(&counter).filter(|overriding| !overriding.has_ended(now_ms));
    let peeked = app.ledger.peek(counter, quota, block).await;
    let peeked = peeked.map_err(|reason| Refused::unavailable(reason.to_string()))?;
    let outcome = peeked.answer;
    Ok(json(&Shown {
        now_ms: peeked.now_ms,
        admitted: outcome.admitted,
        limit: outcome.limit,
        remaining: outcome.remaining,
        reset_ms: outcome.reset_ms,
        retry_after_ms: outcome.retry_after_ms,
        blocked: outcome.blocked,
        overriding,
    }))
}

async fn reset(State(app): State<App>, body: Body) -> Result<Response, Refused> {
    let Named { counter } = parsed(body).await?;
    let reset = app.ledger.reset(&counter).await;
    let changed = reset.map_err(|fault| Refused::unavailable(fault.to_string()))?;
    info!(%counter, changed, "an operator reset a counter");
    Ok(json(&Changed { changed }))
}

async fn unblock(State(app): State<App>, body: Body) -> Result<Response, Refused> {
    let Named { counter } = parsed(body).await?;
    let unblocked = app.ledger.unblock(&counter).await;
    let changed = unblocked.map_err(|fault| Refused::unavailable(fault.to_string()))?;
    info!(%counter, changed, "an operator lifted a counter's block");
    Ok(json(&Changed { changed }))
}

async fn top_up(State(app): State<App>, body: Body) -> Result<Response, Refused> {
    let ToTopUp { counter, amount, id } = parsed(body).await?;
    let id = SettleId::try_from(id).map_err(|_| {
        Refused::invalid(vec![PlacedError {
            pointer: "/id".to_owned(),
            detail: "expected 1 to 64 letters, digits, `.`, `_` or `-`".to_owned(),
        }])
    })?;
    let top_up = TopUp { counter, amount, id };
    let topped_up = app.ledger.top_up(&top_up).await;
    let ToppedUp { effect, added } =
        topped_up.map_err(|fault| Refused::unavailable(fault.to_string()))?;
    let TopUp { counter, id, .. } = &top_up;
    info!(%counter, %amount, %id, ?effect, added, "an operator topped up a balance");
    match effect {
        TopUpEffect::Added => Ok(json(&AddedTo { changed: true, added })),
        TopUpEffect::Repeated(before) if before == amount.get() => {
            Ok(json(&AddedTo { changed: false, added }))
        }
        TopUpEffect::Repeated(before) => Err(Refused::conflict(format!(
            "Expected a new id: {id} has already topped up this balance by {before}."
        ))),
        TopUpEffect::TooMuch => Err(Refused::conflict(format!(
            "Expected top-ups of at most {MAX_BALANCE} in all, found {added} and {amount} more."
        ))),
    }
}

async fn list(State(app): State<App>) -> Result<Response, Refused> {
    let book = app.ledger.overrides().ok_or_else(not_reached)?;
    let overrides = book.in_force(app.ledger.now_ms()).into_iter();
    let overrides = overrides.map(|(counter, overriding)| Overridden { counter, overriding });
    Ok(json(&Listed { overrides: overrides.collect() }))
}

async fn set(State(app): State<App>, body: Body) -> Result<Response, Refused> {
    let Overridden { counter, overriding } = parsed(body).await?;
    let now_ms = app.ledger.now_ms();
    if overriding.has_ended(now_ms) {
        return Err(Refused::invalid(vec![PlacedError {
            pointer: "/override/blocked_until_ms".to_owned(),
            detail: format!("expected a time in the future, later than {now_ms}"),
        }]));
    }
    change(&app, &counter, Some(overriding)).await
}

async fn remove(State(app): State<App>, body: Body) -> Result<Response, Refused> {
    let Named { counter } = parsed(body).await?;
    change(&app, &counter, None).await
}

async fn change(
    app: &App,
    counter: &CounterName,
    overriding: Option<Override>,
) -> Result<Response, Refused> {
    let changed = app.ledger.change_override(counter, overriding).await;
    let changed = changed.map_err(|error| match error {
        ChangeError::TooMany(error) => Refused::conflict(error.to_string()),
        ChangeError::Fault(_) => Refused::unavailable(error.to_string()),
    })?;
    info!(%counter, ?overriding, changed, "an operator changed an override");
    Ok(json(&Changed { changed }))
}

fn not_reached() -> Refused {
    Refused::unavailable("The ledger has not been reached yet.")
}

async fn parsed<T: DeserializeOwned>(body: Body) -> Result<T, Refused> {
    let deadline = Instant::from_std(clock::instant()) + BODY_TIMEOUT;
    // A client with the token is trusted not to exhaust memory.
    let mut room = Fair::new(usize::MAX).share(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    parse(&read(body, deadline, &mut room).await?).map_err(Refused::unparsable)
}
