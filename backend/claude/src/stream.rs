//! A streamed answer: event after event, until it has ended.
//!
//! Begun by [`crate::client`], read by whoever asked.

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
/// It holds one of the client's slots until it has ended or is dropped, which ends the call.
pub struct AnswerStream {
    events: BoxStream<'static, Result<Event, ClaudeError>>,
    bill: Bill,
}

/// What a streamed answer costs, as far as the service has said. It is known once the stream has
/// ended, broken off or been dropped, and 0 until then.
#[derive(Debug, Clone, Default)]
pub struct Bill(Arc<AtomicU64>);

impl Bill {
    /// In millionths of a dollar; 0 where [`crate::Prices`] lack the model.
    #[must_use]
    pub fn cost_micro_usd(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn is(&self, cost_micro_usd: u64) {
        self.0.store(cost_micro_usd, Ordering::Relaxed);
    }
}

impl AnswerStream {
    pub(crate) fn new(reading: Reading, call: Call, pass: Pass, tally: Tally) -> Self {
        let bill = Bill::default();
        let running = Running { reading, call, pass: Some(pass), tally, bill: bill.clone() };
        Self { events: unfold(Some(running), next).fuse().boxed(), bill }
    }

    /// What it costs; good beyond the stream's own end.
    #[must_use]
    pub fn bill(&self) -> Bill {
        self.bill.clone()
    }

    /// The next event; `None` after the last.
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
        self.bill.is(answer.cost_micro_usd);
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
    /// An answer that broke off, or that nobody reads to its end, is paid for as well.
    fn drop(&mut self) {
        if !self.reading.has_ended {
            let assembly = &self.reading.assembly;
            self.bill.is(self.call.account(assembly.model(), &assembly.usage()));
        }
    }
}

/// The bytes of a stream, and the answer so far.
pub(crate) struct Reading {
    body: Incoming,
    parser: Parser,
    /// Events that have come and were not looked at: at most those of one piece.
    pending: VecDeque<Vec<u8>>,
    assembly: Assembly,
    request_id: Option<String>,
    idle_timeout: Duration,
    /// When all of it must have come.
    by: Instant,
    has_ended: bool,
}

impl Reading {
    /// The stream that a reply is, once its message has begun.
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
            let other =
                ClaudeError::new(Kind::NotUnderstood, "expected a stream, found another type");
            return Err(reading.named(other));
        }
        while !reading.assembly.has_begun() {
            reading.advance().await.map_err(|error| reading.named(error))?;
        }
        Ok(reading)
    }

    /// The next that there is to tell.
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
            // Where its end has come with it, the connection can be used again.
            let _at_end = piece(&mut self.body, clock::now()).await;
        }
        Ok(step)
    }

    /// The data of the next event. Comments are none, so they do not keep a stream alive.
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
