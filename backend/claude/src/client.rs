//! The client: what a program calls.
//!
//! It asks [`crate::call`] for a turn and attempts, and has [`crate::plain`] or [`crate::stream`]
//! read the answer.

use crate::answer::Answer;
use crate::breaker::Health;
use crate::call::Call;
use crate::clock;
use crate::connect::BuildError;
use crate::error::ClaudeError;
use crate::kind::Kind;
use crate::meter::Tally;
use crate::plain;
use crate::request::Request;
use crate::settings::Settings;
use crate::shared::{Pass, Shared};
use crate::stream::{AnswerStream, Reading};
use hyper::body::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// The largest request that the service takes, in bytes.
const MAX_REQUEST_BYTES: usize = 32 * 1024 * 1024;

/// A client of the service. Clones share everything: connections, bounds, breaker.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

impl Client {
    /// A client that works as the settings say. No connection is made yet.
    ///
    /// # Errors
    /// [`BuildError`], where the base URL cannot be used or nothing is there to check TLS with.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        Ok(Self(Arc::new(Shared::new(&settings)?)))
    }

    /// Asks, and waits for the whole answer. Dropping the future ends the call.
    ///
    /// # Errors
    /// [`ClaudeError`], after the retries that it was worth. An answer that is cut off or a refusal
    /// is none: see [`Answer::stop_reason`].
    pub async fn send(&self, request: &Request) -> Result<Answer, ClaudeError> {
        let mut tally = Tally::of(&request.model);
        let answered = self.answered(request).await;
        tally.ended(match &answered {
            Ok(answer) => answer.outcome(),
            Err(error) => error.kind().as_str(),
        });
        answered
    }

    /// Asks, and returns as soon as the answer begins.
    ///
    /// # Errors
    /// [`ClaudeError`], after the retries that it was worth. Once an answer has begun it is not
    /// asked for again: an error is then an item of the stream, and the last.
    pub async fn stream(&self, request: &Request) -> Result<AnswerStream, ClaudeError> {
        let mut tally = Tally::of(&request.model);
        match self.begun(request).await {
            Ok((call, pass, reading)) => Ok(AnswerStream::new(reading, call, pass, tally)),
            Err(error) => {
                tally.ended(error.kind().as_str());
                Err(error)
            }
        }
    }

    /// Returns the service's health, judged by the last calls. Makes no call.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.health()
    }

    /// For how long some call has been waiting for the head of a response, and none has come to
    /// any; `None` where none waits. A stream's comes at once, a plain answer's only when the whole
    /// answer is there: so a program that streams can tell by it that the service hangs, long
    /// before a time-out does.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        self.0.silence()
    }

    async fn answered(&self, request: &Request) -> Result<Answer, ClaudeError> {
        let body = body(request, false)?;
        let mut call = Call::begin(&self.0, request, &body).await?;
        loop {
            let pass = call.pass()?;
            match self.plain(&mut call, &body).await {
                Ok(answer) => {
                    pass.succeeded();
                    return Ok(answer);
                }
                Err(error) => call.failed(pass, error).await?,
            }
        }
    }

    async fn plain(&self, call: &mut Call, body: &Bytes) -> Result<Answer, ClaudeError> {
        let by = clock::now() + self.0.timeout;
        let mut reply = call.attempt(body, by).await?;
        let request_id = reply.head.request_id.take();
        match plain::read(&mut reply, by).await {
            Ok(whole) => Ok(call.answered(whole, request_id)),
            Err(error) => Err(error.with_request_id(request_id.as_deref())),
        }
    }

    async fn begun(&self, request: &Request) -> Result<(Call, Pass, Reading), ClaudeError> {
        let body = body(request, true)?;
        let mut call = Call::begin(&self.0, request, &body).await?;
        loop {
            let pass = call.pass()?;
            match self.beginning(&mut call, &body).await {
                Ok(reading) => {
                    pass.answering();
                    return Ok((call, pass, reading));
                }
                Err(error) => call.failed(pass, error).await?,
            }
        }
    }

    async fn beginning(&self, call: &mut Call, body: &Bytes) -> Result<Reading, ClaudeError> {
        let now = clock::now();
        let (by, idle_timeout) = (now + self.0.timeout, self.0.idle_timeout);
        let reply = call.attempt(body, by.min(now + idle_timeout)).await?;
        Reading::begin(reply, idle_timeout, by).await
    }
}

fn body(request: &Request, stream: bool) -> Result<Bytes, ClaudeError> {
    let body =
        request.to_json(stream).map_err(|error| ClaudeError::new(Kind::InvalidRequest, error))?;
    if body.len() > MAX_REQUEST_BYTES {
        let (expected, found) = (MAX_REQUEST_BYTES, body.len());
        let message = format_args!("expected a request of at most {expected} bytes, found {found}");
        return Err(ClaudeError::new(Kind::RequestTooLarge, message));
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a handler of a multi-threaded service needs.
    #[test]
    fn calls_and_streams_can_move_between_threads() {
        fn can_move<T: Send>(_: impl Fn(Client, Request) -> T) {}
        can_move(|client, request| async move { client.send(&request).await });
        can_move(|client, request| async move {
            client.stream(&request).await?.next().await.transpose()
        });
        can_move(|client, _request| client);
    }
}
