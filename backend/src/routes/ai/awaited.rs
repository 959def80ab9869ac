//! A pending answer, and its reply once it has arrived.

use crate::ai::{AiError, Answer, Input, StoredAnswer, Task, meter};
use crate::app::App;
use crate::cache::{Cached, Origin, Shared};
use crate::respond::ApiError;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// The stored résumé that an answer is about. A client needs its version to apply a patch.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = AnswerAbout)]
pub(super) struct About {
    pub(super) id: Uuid,
    pub(super) version: i64,
}

/// The members of a reply that precede the answer's.
#[derive(Serialize)]
pub(super) struct Head {
    /// `null` for a résumé that came in the request.
    pub(super) resume: Option<About>,
}

/// A pending answer.
pub(super) struct Awaited {
    pub(super) app: Arc<App>,
    pub(super) task: Task,
    /// The input, or `None` if the answer is already there.
    pub(super) input: Option<Arc<Input>>,
}

impl Awaited {
    /// Waits for the flight, falls back if it failed, and counts the outcome.
    pub(super) async fn landed(
        &self,
        flight: Answer,
    ) -> Result<Cached<Shared<StoredAnswer>>, ApiError> {
        let result = match (flight.result().await, &self.input) {
            (Err(why), Some(input)) => self.app.ai.fallback(self.task, input, why).await,
            (landed, _) => landed,
        };
        count(self.task, result)
    }
}

/// Builds the JSON reply: one object with the head's and the answer's members. The answer is
/// already serialized, however many requests share it.
pub(super) fn reply(about: Option<About>, answer: &StoredAnswer) -> String {
    let head = serde_json::to_string(&Head { resume: about }).unwrap_or_default();
    let members = answer.reply.get();
    match (head.strip_suffix('}'), members.strip_prefix('{')) {
        (Some(head), Some(members)) => [head, ",", members].concat(),
        _ => members.to_owned(),
    }
}

/// Counts an answer's outcome, and the cost that the cache saved.
fn count(
    task: Task,
    result: Result<Cached<Shared<StoredAnswer>>, Arc<AiError>>,
) -> Result<Cached<Shared<StoredAnswer>>, ApiError> {
    let outcome = match &result {
        Ok(cached) if cached.value.is_degraded => "degraded",
        Ok(_) => "ok",
        Err(error) => error.failure().as_str(),
    };
    meter::answered(task, outcome);
    if let Ok(Cached { value, origin: Origin::Hit { .. } | Origin::Coalesced }) = &result {
        meter::saved(task, value.cost_micro_usd);
    }
    result.map_err(ApiError::Ai)
}
