//! An answer as a stream of events (`text/event-stream`): `start`, then `delta`s as Claude writes,
//! then `result` with the whole checked answer or `error` with a problem; comments in between keep
//! proxies from hanging up.
//!
//! `start` comes again, and what was written before it is void, where Claude had to begin anew.
//! What is kept in the cache is written again from there. The stream is sent from a task of its
//! own, so that a client that does not read holds its place among those served no longer than
//! [`guard::MODEL_TIMEOUT`].

use super::awaited::{About, Awaited, Head, reply};
use crate::ai::ask::ANEW;
use crate::ai::{Answer, Kept};
use crate::cache::{Cached, Shared};
use crate::guard::{self, Permit};
use crate::respond::ApiError;
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::timeout;

/// How long an answer may take before its stream begins without it. Until then a failure still has
/// a status of its own, by which gateways refund what was not paid for.
const HEAD_START: Duration = Duration::from_secs(5);
/// How often a comment is sent where there is nothing else.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The most events that wait for a client that reads slowly.
const MAX_WAITING: usize = 64;
/// How much of a kept text one event has.
const PIECE_CHARS: usize = 256;

#[derive(Serialize)]
struct Delta<'a> {
    text: &'a str,
}

/// One answer on its way to one client.
#[derive(Clone)]
struct Sending {
    about: Option<About>,
    events: Sender<Event>,
}

/// The client has left.
struct Left;

/// The answer as it comes. A failure before anything has come is a problem with its status.
pub(super) async fn stream(
    awaited: Awaited,
    ttl: Duration,
    about: Option<About>,
    mut flight: Answer,
    permit: Permit,
) -> Result<Response, ApiError> {
    let (events, receiver) = mpsc::channel(MAX_WAITING);
    let sending = Sending { about, events };
    let origin = match timeout(HEAD_START, flight.next_delta()).await {
        Ok(None) => {
            let cached = awaited.landed(flight).await?;
            let origin = cached.origin;
            tokio::spawn(in_time(permit, sending.clone(), sending.kept(cached)));
            Some(origin)
        }
        first => {
            let origin = flight.origin();
            let first = first.ok().flatten();
            tokio::spawn(in_time(permit, sending.clone(), sending.live(first, flight, awaited)));
            origin
        }
    };
    let mut response = sse(receiver);
    if let Some(origin) = origin {
        origin.mark(ttl, &mut response);
    }
    Ok(response)
}

fn sse(mut receiver: Receiver<Event>) -> Response {
    let events = stream::poll_fn(move |context| receiver.poll_recv(context));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response =
        Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(keep_alive).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Sends, for as long as it may.
async fn in_time(_served: Permit, sending: Sending, sent: impl Future<Output = Result<(), Left>>) {
    if timeout(guard::MODEL_TIMEOUT, sent).await.is_err() {
        let _full_or_gone =
            sending.events.try_send(failed(ApiError::TimedOut(guard::MODEL_TIMEOUT)));
    }
}

impl Sending {
    /// An answer that is being written.
    async fn live(
        self,
        first: Option<Arc<str>>,
        mut flight: Answer,
        awaited: Awaited,
    ) -> Result<(), Left> {
        self.start().await?;
        let mut next = first;
        if next.is_none() {
            next = flight.next_delta().await;
        }
        while let Some(text) = next {
            if &*text == ANEW {
                self.start().await?
            } else {
                self.delta(&text).await?
            }
            next = flight.next_delta().await;
        }
        match awaited.landed(flight).await {
            Ok(cached) => self.result(&cached.value).await,
            Err(error) => self.send(failed(error)).await,
        }
    }

    /// An answer that is there.
    async fn kept(self, cached: Cached<Shared<Kept>>) -> Result<(), Left> {
        self.start().await?;
        let mut chars = cached.value.text.chars();
        loop {
            let piece: String = chars.by_ref().take(PIECE_CHARS).collect();
            if piece.is_empty() {
                return self.result(&cached.value).await;
            }
            self.delta(&piece).await?;
        }
    }

    async fn start(&self) -> Result<(), Left> {
        self.send(event("start", json(&Head { resume: self.about }))).await
    }

    async fn delta(&self, text: &str) -> Result<(), Left> {
        self.send(event("delta", json(&Delta { text }))).await
    }

    async fn result(&self, kept: &Kept) -> Result<(), Left> {
        self.send(event("result", reply(self.about, kept))).await
    }

    async fn send(&self, event: Event) -> Result<(), Left> {
        self.events.send(event).await.map_err(|_gone| Left)
    }
}

fn failed(error: ApiError) -> Event {
    event("error", json(&error.into_problem()))
}

/// JSON has no line breaks of its own, so an event's data is one line.
fn event(name: &str, json: String) -> Event {
    Event::default().event(name).data(json)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http_body_util::BodyExt;

    async fn frame(body: &mut Body) -> String {
        let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(data.to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_waits_is_kept_alive_by_comments() {
        let (events, receiver) = mpsc::channel(1);
        let mut body = sse(receiver).into_body();
        let begun = tokio::time::Instant::now();
        for count in 1..=3 {
            assert_eq!(frame(&mut body).await, ":\n\n");
            assert_eq!(begun.elapsed(), KEEP_ALIVE * count);
        }
        events.send(event("delta", json(&Delta { text: "a\r\nb" }))).await.unwrap();
        assert_eq!(frame(&mut body).await, "event: delta\ndata: {\"text\":\"a\\r\\nb\"}\n\n");
        drop(events);
        assert!(body.frame().await.is_none(), "it ends when all is sent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_not_served_for_ever() {
        let (events, mut receiver) = mpsc::channel(1);
        let sending = Sending { about: None, events };
        let never = std::future::pending();
        let begun = tokio::time::Instant::now();
        in_time(Permit::default(), sending, never).await;
        assert_eq!(begun.elapsed(), guard::MODEL_TIMEOUT);
        assert!(receiver.recv().await.is_some(), "it is told");
        assert!(receiver.recv().await.is_none());
    }
}
