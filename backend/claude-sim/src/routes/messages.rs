//! `POST /v1/messages`.

use super::{json, refused, with_request_id};
use crate::at_once::Entered;
use crate::faults::{Fault, MAX_DELAY_MS};
use crate::message::{Message, error_event};
use crate::refusal::{Kind, Refusal, error_body};
use crate::request::{Request, check_headers};
use crate::sim::Sim;
use crate::{answer, body, clock, stream};
use axum::body::Body;
use axum::extract;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A response and its token counts.
struct Answered {
    response: Response,
    input_tokens: u64,
    output_tokens: u64,
}

impl From<Response> for Answered {
    /// Converts an error response, which uses no tokens.
    fn from(response: Response) -> Self {
        Self { response, input_tokens: 0, output_tokens: 0 }
    }
}

/// `POST /v1/messages`
pub(crate) async fn messages(State(sim): State<Arc<Sim>>, request: extract::Request) -> Response {
    let request_id = sim.next_request_id();
    let answered = answer(&sim, request, &request_id).await.unwrap_or_else(|refusal| {
        tracing::info!(request_id, error = %refusal, "refused");
        refused(&refusal, &request_id).into()
    });
    let Answered { mut response, input_tokens, output_tokens } = answered;
    let status = response.status().as_u16();
    tracing::info!(request_id, status, input_tokens, output_tokens, "answered");
    let limits = sim.rate_limit.count(input_tokens, output_tokens, clock::now());
    for (name, value) in &limits {
        // Keep a header set by a fault.
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    with_request_id(response, &request_id)
}

async fn answer(
    sim: &Sim,
    request: extract::Request,
    request_id: &str,
) -> Result<Answered, Refusal> {
    let overloaded = || Refusal::new(Kind::Overloaded, "Overloaded: too many requests at once");
    let entered = sim.at_once.enter().ok_or_else(overloaded)?;
    let (head, body) = request.into_parts();
    let request = read(sim, &head.headers, body).await?;
    let key = head.headers.get("x-api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    let fault = sim.faults.take();
    tokio::time::sleep(sim.settings.latency + fault.delay()).await;
    let mut answered = match failed(&fault, request.stream, request_id).await {
        Some(response) => response.into(),
        None => respond(sim, &request, key, &fault, request_id, entered)?,
    };
    answered.response.headers_mut().extend(fault.header_map());
    Ok(answered)
}

/// Reads, records and validates a request. Invalid requests are recorded too.
async fn read(sim: &Sim, headers: &HeaderMap, body: Body) -> Result<Request, Refusal> {
    let read = body::read(body).await;
    let bytes = read.as_ref().map_or(0, |bytes| bytes.len());
    let parsed = read.and_then(|bytes| body::parse(&bytes));
    let checked = check_headers(headers).and_then(|()| match &parsed {
        Ok(body) => Request::parse(body),
        Err(refusal) => Err(refusal.clone()),
    });
    sim.recorded.add(parsed.unwrap_or(Value::Null), bytes);
    checked
}

/// Returns the response instead of an answer, if `fault` has one.
async fn failed(fault: &Fault, streams: bool, request_id: &str) -> Option<Response> {
    if fault.hang {
        tokio::time::sleep(Duration::from_millis(MAX_DELAY_MS)).await;
        return Some(refused(&Refusal::new(Kind::Timeout, "hung for ten minutes"), request_id));
    }
    // In a stream, the error is sent later as an event.
    let later = fault.error_after_events.is_some();
    let status = match fault.status() {
        Some(_) if later && streams => return None,
        None if later && !streams => Kind::Overloaded.status(),
        status => status?,
    };
    let (name, message) = fault.error();
    let body = error_body(name, message, fault.details.as_ref(), request_id);
    Some(json(status, &body))
}

fn respond(
    sim: &Sim,
    request: &Request,
    key: &str,
    fault: &Fault,
    request_id: &str,
    entered: Entered,
) -> Result<Answered, Refusal> {
    let answer = answer::of(request, fault.wanted())
        .map_err(|error| Refusal::at("output_config.format.schema", error))?;
    let input = sim.prompt_cache.count(request, key, clock::instant());
    let (input_tokens, output_tokens) = (input.total(), answer.output_tokens);
    let id = format!("msg_sim_{:016x}{:08x}", request.seed, sim.next_id());
    let message = Message { id, model: &request.model, input, answer };
    let response = if request.stream {
        let (name, text) = fault.error();
        let error = error_event(name, text, fault.details.as_ref(), request_id);
        let latency = sim.event_latency();
        event_stream(stream::events(message.events(), error, fault, latency, entered))
    } else if fault.cut_after_events.is_some() || fault.hang_after_events.is_some() {
        halved(&message.whole(), fault, entered)
    } else {
        json(StatusCode::OK, &message.whole())
    };
    Ok(Answered { response, input_tokens, output_tokens })
}

fn event_stream(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}

/// Announces the whole message but sends only half of it.
fn halved(message: &Value, fault: &Fault, entered: Entered) -> Response {
    let text = message.to_string();
    let mut response = stream::half(&text, fault, entered).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, text.len().into());
    response
}
