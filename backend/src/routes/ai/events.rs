//! An answer as a stream of events (`text/event-stream`): `start`, then `delta`s as Claude writes,
//! then `result` with the whole checked answer, or `error` with a problem. Comments in between keep
//! proxies from closing the connection.
//!
//! If Claude has to start over, another `start` voids what came before it. A cached answer is
//! streamed the same way. The stream is sent from a separate task, so a client that doesn't read
//! occupies a request slot for at most [`guard::MODEL_TIMEOUT`].

use super::awaited::{About, Awaited, Head, reply};
use crate::ai::ask::START_OVER;
use crate::ai::{Answer, StoredAnswer};
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

/// The longest wait for the first text before the stream begins. Until then a failure can still
/// have a status code, by which gateways refund unpaid requests.
const HEAD_START: Duration = Duration::from_secs(5);
/// The interval between comments on an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The most events queued for a slow reader.
const MAX_WAITING: usize = 64;
/// The length of each event's piece of a cached text.
const PIECE_CHARS: usize = 256;

#[derive(Serialize)]
struct Delta<'a> {
    text: &'a str,
}

/// An answer being sent to one client.
#[derive(Clone)]
struct Sending {
    about: Option<About>,
    events: Sender<Event>,
}

/// The client has disconnected.
struct Disconnected;

/// Streams an answer as it arrives. A failure before the first event is an ordinary problem reply.
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
            tokio::spawn(in_time(permit, sending.clone(), sending.cached(cached)));
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

/// Runs the sender under the time limit.
async fn in_time(
    _served: Permit,
    sending: Sending,
    sent: impl Future<Output = Result<(), Disconnected>>,
) {
    if timeout(guard::MODEL_TIMEOUT, sent).await.is_err() {
        let _full_or_gone =
            sending.events.try_send(failed(ApiError::TimedOut(guard::MODEL_TIMEOUT)));
    }
}

impl Sending {
    /// Sends an answer that is still being written.
    async fn live(
        self,
        first: Option<Arc<str>>,
        mut flight: Answer,
        awaited: Awaited,
    ) -> Result<(), Disconnected> {
        self.start().await?;
        let mut next = first;
        if next.is_none() {
            next = flight.next_delta().await;
        }
        while let Some(text) = next {
            if &*text == START_OVER {
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

    /// Sends an answer that is already complete.
    async fn cached(self, cached: Cached<Shared<StoredAnswer>>) -> Result<(), Disconnected> {
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

    async fn start(&self) -> Result<(), Disconnected> {
        self.send(event("start", json(&Head { resume: self.about }))).await
    }

    async fn delta(&self, text: &str) -> Result<(), Disconnected> {
        self.send(event("delta", json(&Delta { text }))).await
    }

    async fn result(&self, answer: &StoredAnswer) -> Result<(), Disconnected> {
        self.send(event("result", reply(self.about, answer))).await
    }

    async fn send(&self, event: Event) -> Result<(), Disconnected> {
        self.events.send(event).await.map_err(|_gone| Disconnected)
    }
}

fn failed(error: ApiError) -> Event {
    event("error", json(&error.into_problem()))
}

/// Builds an event. Serialized JSON contains no line breaks, so its data is one line.
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
    async fn comments_keep_an_idle_stream_alive() {
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
        assert!(body.frame().await.is_none(), "the stream ends when all is sent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_times_out() {
        let (events, mut receiver) = mpsc::channel(1);
        let sending = Sending { about: None, events };
        let never = std::future::pending();
        let begun = tokio::time::Instant::now();
        in_time(Permit::default(), sending, never).await;
        assert_eq!(begun.elapsed(), guard::MODEL_TIMEOUT);
        assert!(receiver.recv().await.is_some(), "an error event");
        assert!(receiver.recv().await.is_none());
    }
}
