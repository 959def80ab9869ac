//! One call: waiting for its turn, then its attempts.
//!
//! Made by [`crate::client`]; [`crate::stream`] keeps it until the answer has ended.

use crate::answer::Answer;
use crate::assembly::Whole;
use crate::breaker::Refused;
use crate::clock;
use crate::error::ClaudeError;
use crate::http::Reply;
use crate::kind::Kind;
use crate::meter;
use crate::request::Request;
use crate::retry;
use crate::shared::{Pass, Shared};
use crate::slots::{Full, Place, Slot};
use crate::usage::Usage;
use hyper::body::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The retry hint when all slots are taken. A slot can become free at any moment.
const BUSY: Duration = Duration::from_secs(1);

/// A call that holds a slot.
pub(crate) struct Call {
    shared: Arc<Shared>,
    model: String,
    attempts: u32,
    _slot: Slot,
}

impl Call {
    /// Waits for a slot for `request`, whose JSON is `body`.
    pub(crate) async fn begin(
        shared: &Arc<Shared>,
        request: &Request,
        body: &Bytes,
    ) -> Result<Self, ClaudeError> {
        let model = &request.model;
        if let Some(refused) = shared.refusal().filter(|refused| !refused.retry_after.is_zero()) {
            return Err(refused.into());
        }
        let place = shared.slots.place(request.user_id.as_deref(), body.len()).map_err(full)?;
        let slot = Self::turn(shared, place, model).await?;
        Ok(Self { shared: Arc::clone(shared), model: model.to_owned(), attempts: 0, _slot: slot })
    }

    async fn turn(shared: &Shared, place: Place, model: &str) -> Result<Slot, ClaudeError> {
        let by = clock::now() + shared.max_wait;
        paced(shared, model, by).await?;
        let slot = place.slot(by).await.ok_or_else(too_late)?;
        // Calls ahead of this one may have used up the service's limits.
        paced(shared, model, by).await?;
        Ok(slot)
    }

    /// Asks the breaker to admit an attempt.
    pub(crate) fn pass(&self) -> Result<Pass, ClaudeError> {
        let pass = self.shared.pass();
        pass.map_err(|refused| ClaudeError::from(refused).with_attempts(self.attempts))
    }

    /// Sends the request once. Fails unless the response status is 200.
    pub(crate) async fn attempt(
        &mut self,
        body: &Bytes,
        by: Instant,
    ) -> Result<Reply, ClaudeError> {
        self.attempts = self.attempts.saturating_add(1);
        let listening = self.shared.silence.listen(clock::now());
        let reply = self.shared.http.post(body.clone(), by).await?;
        listening.heard(clock::now());
        self.shared.record_limits(&self.model, &reply);
        if reply.is_answer() { Ok(reply) } else { Err(reply.into_error().await) }
    }

    /// Waits for the next retry after `error`, or returns `error` if none is due.
    pub(crate) async fn failed(&self, pass: Pass, error: ClaudeError) -> Result<(), ClaudeError> {
        pass.failed(error.kind());
        let error = error.with_attempts(self.attempts);
        let retries = self.attempts.saturating_sub(1);
        let pause = retry::pause(&error, retries, self.shared.max_retries, rand::random());
        let (Some(pause), None) = (pause, self.shared.refusal()) else { return Err(error) };
        let held = self.shared.held(&self.model);
        if held > pause && held > self.shared.max_wait {
            return Err(error.with_retry_after(Some(held)));
        }
        let pause = pause.max(held);
        meter::retried(&self.model, error.kind());
        let (because, pause_ms) = (error.kind().as_str(), pause.as_millis());
        let request_id = error.request_id().unwrap_or_default();
        tracing::warn!(
            model = self.model,
            because,
            request_id,
            pause_ms,
            "retrying the call to claude"
        );
        sleep(pause).await;
        Ok(())
    }

    /// Prices, counts and logs an answer.
    pub(crate) fn answered(&self, whole: Whole, request_id: Option<String>) -> Answer {
        let Whole { text, model, usage, stop_reason } = whole;
        let model = if model.is_empty() { self.model.clone() } else { model };
        let cost_micro_usd = self.account(&model, &usage);
        tracing::info!(
            model,
            request_id = request_id.as_deref().unwrap_or_default(),
            stop_reason = stop_reason.as_str(),
            input_tokens = usage.total_input_tokens(),
            output_tokens = usage.output_tokens,
            cost_micro_usd,
            attempts = self.attempts,
            "claude answered"
        );
        Answer { text, stop_reason, model, usage, request_id, cost_micro_usd }
    }

    /// Counts the usage of an answer by `model`. Returns its cost in millionths of a dollar, 0 if
    /// unknown.
    pub(crate) fn account(&self, model: &str, usage: &Usage) -> u64 {
        let prices = &self.shared.prices;
        let by_answer = prices.cost_micro_usd(model, usage);
        let cost = by_answer.or_else(|| prices.cost_micro_usd(&self.model, usage));
        meter::used(&self.model, usage, cost);
        cost.unwrap_or_default()
    }

    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// Waits until calls for `model` are no longer held back.
///
/// # Errors
/// [`Kind::Paced`] if that would take until after `by`.
async fn paced(shared: &Shared, model: &str, by: Instant) -> Result<(), ClaudeError> {
    loop {
        let wait = shared.held(model);
        if wait.is_zero() {
            return Ok(());
        }
        if clock::now() + wait > by {
            let used_up = "the service's rate limits are exhausted for longer than a call may wait";
            return Err(ClaudeError::new(Kind::Paced, used_up).with_retry_after(Some(wait)));
        }
        sleep(wait).await;
    }
}

impl From<Refused> for ClaudeError {
    fn from(Refused { because, retry_after }: Refused) -> Self {
        let because = because.as_str();
        let message =
            format_args!("the circuit breaker is open because of an earlier failure: {because}");
        let retry_after = Some(retry_after).filter(|wait| !wait.is_zero());
        Self::new(Kind::BreakerOpen, message).with_retry_after(retry_after)
    }
}

fn full(full: Full) -> ClaudeError {
    let message = match full {
        Full::All => "all slots and places in the queue are taken",
        Full::Own => "all of this user's slots and places in the queue are taken",
    };
    ClaudeError::new(Kind::Busy, message).with_retry_after(Some(BUSY))
}

fn too_late() -> ClaudeError {
    let message = "no slot became free in time";
    ClaudeError::new(Kind::Busy, message).with_retry_after(Some(BUSY))
}
