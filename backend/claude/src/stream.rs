//! A streamed answer.
//!
//! Begun by [`crate::client`], read by the caller.

use crate::answer::{Answer, Event};
use crate::assembly::{Assembly, Step, Whole};
use crate::call::Call;
use crate::clock;
use crate::error::ClaudeError;
use crate::http::{Reply, piece};
use crate::kind::Kind;
use crate::meter::Tally;
use crate::plain::not_a;
use crate::shared::Pass;
use crate::sse::{MAX_EVENT_BYTES, Parser, TooLarge};
use crate::wire::StreamEvent;
use futures_util::stream::{BoxStream, Stream, StreamExt, unfold};
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// An answer as it arrives: [`Event::Text`]s, then one [`Event::Done`] or an error, then nothing.
///
/// It holds one of the client's slots until it ends or is dropped. Dropping it ends the call.
pub struct AnswerStream {
    events: BoxStream<'static, Result<Event, ClaudeError>>,
    bill: Bill,
}

/// The cost of a streamed answer, as far as the service has reported its usage. It is 0 until the
/// stream has ended, failed or been dropped.
#[derive(Debug, Clone, Default)]
pub struct Bill(Arc<AtomicU64>);

impl Bill {
    /// Returns the cost in millionths of a dollar; 0 if [`crate::Prices`] lacks the model.
    #[must_use]
    pub fn cost_micro_usd(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, cost_micro_usd: u64) {
        self.0.store(cost_micro_usd, Ordering::Relaxed);
    }
}

impl AnswerStream {
    pub(crate) fn new(reading: Reading, call: Call, pass: Pass, tally: Tally) -> Self {
        let bill = Bill::default();
        let running = Running { reading, call, pass: Some(pass), tally, bill: bill.clone() };
        Self { events: unfold(Some(running), next).fuse().boxed(), bill }
    }

    /// Returns a handle to the answer's cost. It stays valid after the stream is gone.
    #[must_use]
    pub fn bill(&self) -> Bill {
        self.bill.clone()
    }

    /// Returns the next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Event, ClaudeError>> {
        self.events.next().await
    }
}

impl Stream for AnswerStream {
    type Item = Result<Event, ClaudeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(context)
    }
}

impl fmt::Debug for AnswerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerStream(…)")
    }
}

/// A call whose answer is being read.
struct Running {
    reading: Reading,
    call: Call,
    pass: Option<Pass>,
    tally: Tally,
    bill: Bill,
}

type Item = Result<Event, ClaudeError>;

async fn next(running: Option<Running>) -> Option<(Item, Option<Running>)> {
    let mut running = running?;
    match running.reading.step().await {
        Ok(Step::Text(text)) => Some((Ok(Event::Text(text)), Some(running))),
        Ok(Step::Done(whole)) => Some((Ok(Event::Done(running.ended(whole))), None)),
        Err(error) => Some((Err(running.failed(error)), None)),
    }
}

impl Running {
    fn ended(mut self, whole: Whole) -> Answer {
        self.reading.has_ended = true;
        let answer = self.call.answered(whole, self.reading.request_id.take());
        self.bill.set(answer.cost_micro_usd);
        self.tally.ended(answer.outcome());
        if let Some(pass) = self.pass.take() {
            pass.succeeded();
        }
        answer
    }

    fn failed(mut self, error: ClaudeError) -> ClaudeError {
        self.tally.ended(error.kind().as_str());
        if let Some(pass) = self.pass.take() {
            pass.failed(error.kind());
        }
        error.with_attempts(self.call.attempts())
    }
}

impl Drop for Running {
    /// Accounts for an answer that was cut off or was not read to its end: the service bills it too.
    fn drop(&mut self) {
        if !self.reading.has_ended {
            let assembly = &self.reading.assembly;
            self.bill.set(self.call.account(assembly.model(), &assembly.usage()));
        }
    }
}

/// The state of reading a stream.
pub(crate) struct Reading {
    body: Incoming,
    parser: Parser,
    /// Events received but not yet processed: at most those of one chunk.
    pending: VecDeque<Vec<u8>>,
    assembly: Assembly,
    request_id: Option<String>,
    idle_timeout: Duration,
    /// The deadline for the whole stream.
    by: Instant,
    has_ended: bool,
}

impl Reading {
    /// Reads `reply` as a stream until its message has begun.
    pub(crate) async fn begin(
        reply: Reply,
        idle_timeout: Duration,
        by: Instant,
    ) -> Result<Self, ClaudeError> {
        let is_stream = reply.is_stream();
        let mut reading = Self {
            body: reply.body,
            parser: Parser::default(),
            pending: VecDeque::new(),
            assembly: Assembly::default(),
            request_id: reply.head.request_id,
            idle_timeout,
            by,
            has_ended: false,
        };
        if !is_stream {
            let other = ClaudeError::new(
                Kind::NotUnderstood,
                "expected a stream, found another content type",
            );
            return Err(reading.named(other));
        }
        while !reading.assembly.has_begun() {
            reading.advance().await.map_err(|error| reading.named(error))?;
        }
        Ok(reading)
    }

    /// Returns the next step to report to the caller.
    async fn step(&mut self) -> Result<Step, ClaudeError> {
        loop {
            if let Some(step) = self.advance().await.map_err(|error| self.named(error))? {
                return Ok(step);
            }
        }
    }

    async fn advance(&mut self) -> Result<Option<Step>, ClaudeError> {
        let data = self.event().await?;
        let event: StreamEvent =
            serde_json::from_slice(&data).map_err(|error| not_a("stream's event", &error))?;
        let step = self.assembly.add(event)?;
        if matches!(step, Some(Step::Done(_))) {
            // If the end of the body has already arrived, reading it lets the connection be reused.
            let _at_end = piece(&mut self.body, clock::now()).await;
        }
        Ok(step)
    }

    /// Returns the data of the next event. SSE comments don't count, so they can't keep a stream
    /// alive.
    async fn event(&mut self) -> Result<Vec<u8>, ClaudeError> {
        let by = self.by.min(clock::now() + self.idle_timeout);
        loop {
            if let Some(data) = self.pending.pop_front() {
                return Ok(data);
            }
            let piece = piece(&mut self.body, by).await?.ok_or_else(cut)?;
            self.pending.extend(self.parser.push(&piece).map_err(too_large)?);
        }
    }

    fn named(&self, error: ClaudeError) -> ClaudeError {
        error.with_request_id(self.request_id.as_deref())
    }
}

fn cut() -> ClaudeError {
    ClaudeError::new(Kind::Broken, "the stream ended before message_stop")
}

fn too_large(TooLarge: TooLarge) -> ClaudeError {
    let expected = format_args!("expected events of at most {MAX_EVENT_BYTES} bytes");
    ClaudeError::new(Kind::AnswerTooLarge, expected)
}
