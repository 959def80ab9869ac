//! `POST /v1/decide`, `POST /v1/settle` and `POST /v1/peek`: bounds, deadlines and bodies. The
//! ledger decides.
//!
//! Routed to by [`super`]; calls [`ledger::checked`], then [`ledger::Ledger`].
//!
//! A call whose client has gone away, or whose deadline has passed, leaves the queue if it is still
//! there. If it was already sent to the ledger, it is charged. Nobody knows that decision's id, so
//! the charge lasts until its window has passed. Requests that span slots of a Cluster are refunded
//! instead ([`ledger::store::spanning`]): they must be charged only if admitted.

use super::guests::{Guest, peer};
use super::refused::Refused;
use super::reply::json;
use super::{body, deadline};
use crate::app::App;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use ledger::AcceptError;
use ledger::checked;
use ledger::clock;
use limits::json::parse;
use limits::policy::KNOWN_SALT;
use limits::wire::{
    DecideBody, DecideReply, PeekBody, PeekReply, SALT_HEADER, SettleBody, SettleReply,
};
use std::fmt::Display;
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, Span, debug, debug_span, field, warn};

/// The longest correlation id that is logged.
const MAX_ID_BYTES: usize = 128;

pub(super) async fn decide(State(app): State<App>, request: Request) -> Result<Response, Refused> {
    call(&app, request, "decide", async |body, limit| {
        let body = parse::<DecideBody>(&body).map_err(Refused::unparsable)?;
        let requests = checked::requests(body).map_err(Refused::invalid)?;
        let reply: DecideReply = limit.apply(app.ledger.decide(&requests)).await?;
        Ok(json(&reply))
    })
    .await
}

pub(super) async fn settle(State(app): State<App>, request: Request) -> Result<Response, Refused> {
    call(&app, request, "settle", async |body, limit| {
        let body = parse::<SettleBody>(&body).map_err(Refused::unparsable)?;
        let settles = checked::settles(body).map_err(Refused::invalid)?;
        let settles = app.ledger.accept(settles).map_err(|why| match why {
            AcceptError::Fault(fault) => Refused::unavailable(fault.to_string()),
            AcceptError::Unsealed(places) => Refused::invalid(places),
        })?;
        let reply: SettleReply = limit.apply(app.ledger.settle(&settles)).await?;
        Ok(json(&reply))
    })
    .await
}

pub(super) async fn peek(State(app): State<App>, request: Request) -> Result<Response, Refused> {
    call(&app, request, "peek", async |body, limit| {
        let PeekBody { counter, quota, block } = parse(&body).map_err(Refused::unparsable)?;
        let peeked = limit.apply(app.ledger.peek(counter, quota, block)).await?;
        Ok(json(&PeekReply { now_ms: peeked.now_ms, charge: peeked.answer }))
    })
    .await
}

/// The deadline of a call.
#[derive(Debug, Clone, Copy)]
struct Limit {
    at: Instant,
    allowed: Duration,
}

impl Limit {
    /// Waits for the ledger's answer until the deadline.
    async fn apply<T>(
        self,
        answer: impl Future<Output = Result<T, impl Display>>,
    ) -> Result<T, Refused> {
        match timeout_at(self.at, answer).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(fault)) => Err(Refused::unavailable(fault.to_string())),
            Err(_) => Err(Refused::unavailable(format!(
                "The ledger did not answer within {} ms; the request may have been charged.",
                self.allowed.as_millis()
            ))),
        }
    }
}

/// Runs the steps shared by all calls: sets the deadline, opens a span, reads the body, takes a
/// place, and calls `answer`. The place is taken only after the body has arrived, so that clients
/// that never send one cannot block others.
async fn call(
    app: &App,
    request: Request,
    name: &'static str,
    answer: impl AsyncFnOnce(Vec<u8>, Limit) -> Result<Response, Refused>,
) -> Result<Response, Refused> {
    let (parts, body): (_, Body) = request.into_parts();
    if parts.headers.contains_key(SALT_HEADER) {
        warn_of_salt();
    }
    let allowed = deadline::of(&parts.headers, app.deadline);
    let limit = Limit { at: Instant::from_std(clock::instant()) + allowed, allowed };
    let span = span(name, &parts.headers);
    let peer = peer(&parts.extensions);
    async {
        let mut room = app.bodies.share(peer);
        // Until the body has arrived, the connection counts as idle.
        let waiting = parts.extensions.get::<Arc<Guest>>().map(Guest::wait);
        let body = body::read(body, limit.at, &mut room).await?;
        drop(waiting);
        let mut place = app.calls.share(peer);
        if !place.grow(1) {
            return Err(Refused::overloaded());
        }
        let answered = answer(body, limit).await;
        debug!(answered = answered.is_ok(), "handled a call");
        answered
    }
    .instrument(span)
    .await
}

/// Logs, once per process, that a gateway uses a publicly known salt. Only its filter can tell.
fn warn_of_salt() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| warn!("of a calling gateway, {KNOWN_SALT}"));
}

/// Creates a span with the caller's correlation ids, if it sent any.
fn span(name: &'static str, headers: &HeaderMap) -> Span {
    let span = debug_span!("call", name, traceparent = field::Empty, request_id = field::Empty);
    if span.is_disabled() {
        return span;
    }
    for (header, field) in [("traceparent", "traceparent"), ("x-request-id", "request_id")] {
        let value = headers.get(header).and_then(|value| value.to_str().ok());
        if let Some(value) = value.filter(|value| value.len() <= MAX_ID_BYTES) {
            span.record(field, value);
        }
    }
    span
}
