//! The client, the crate's entry point.
//!
//! [`crate::call`] waits for a slot and makes the attempts; [`crate::plain`] or [`crate::stream`]
//! reads the answer.

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

/// The largest request the service accepts, in bytes.
const MAX_REQUEST_BYTES: usize = 32 * 1024 * 1024;

/// A client of the Messages API. Clones share connections, limits and the circuit breaker.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

impl Client {
    /// Builds a client. Makes no connection yet.
    ///
    /// # Errors
    /// Fails if the base URL is invalid, or uses TLS and the system has no certificate authorities.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        Ok(Self(Arc::new(Shared::new(&settings)?)))
    }

    /// Sends a request and waits for the whole answer. Dropping the future ends the call.
    ///
    /// # Errors
    /// Fails if no answer came, retries included. A truncated answer or a refusal is not an error:
    /// see [`Answer::stop_reason`].
    pub async fn send(&self, request: &Request) -> Result<Answer, ClaudeError> {
        let mut tally = Tally::of(&request.model);
        let answered = self.answered(request).await;
        tally.ended(match &answered {
            Ok(answer) => answer.outcome(),
            Err(error) => error.kind().as_str(),
        });
        answered
    }

    /// Sends a request and returns as soon as the answer begins.
    ///
    /// # Errors
    /// Fails if no answer began, retries included. Once an answer has begun, the call is not
    /// retried: an error is then the stream's last item.
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

    /// Returns the service's health, judged by the latest calls. Makes no call.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.health()
    }

    /// Returns for how long calls have been waiting while no response head has arrived at all, or
    /// `None` if no call is waiting.
    ///
    /// A stream's head arrives at once, a plain answer's only with the whole answer. A program that
    /// streams can therefore detect a hung service long before a timeout.
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

    /// Handlers of a multi-threaded server need this.
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
