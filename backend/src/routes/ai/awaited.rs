//! An answer that is on its way, and what is written of it once it is there.

use crate::ai::{AiError, Answer, Input, Kept, Task, meter};
use crate::app::App;
use crate::cache::{Cached, Origin, Shared};
use crate::respond::ApiError;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// The kept résumé that an answer is about: applying a patch, say, takes its version.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = AnswerAbout)]
pub(super) struct About {
    pub(super) id: Uuid,
    pub(super) version: i64,
}

/// What a reply says about its request, before it goes on as the answer does.
#[derive(Serialize)]
pub(super) struct Head {
    /// `null` for a résumé that came with the request.
    pub(super) resume: Option<About>,
}

/// An answer that is asked for.
pub(super) struct Awaited {
    pub(super) app: Arc<App>,
    pub(super) task: Task,
    /// None where the answer is there already.
    pub(super) input: Option<Arc<Input>>,
}

impl Awaited {
    /// What the flight brings, or what there is without it; counted.
    pub(super) async fn landed(&self, flight: Answer) -> Result<Cached<Shared<Kept>>, ApiError> {
        let result = match (flight.result().await, &self.input) {
            (Err(why), Some(input)) => self.app.ai.instead(self.task, input, why).await,
            (landed, _) => landed,
        };
        counted(self.task, result)
    }
}

/// The whole reply, in JSON: one object of the head's and the answer's members. The answer is in
/// JSON already, however many ask for it.
pub(super) fn reply(about: Option<About>, answer: &Kept) -> String {
    let head = serde_json::to_string(&Head { resume: about }).unwrap_or_default();
    let members = answer.reply.get();
    match (head.strip_suffix('}'), members.strip_prefix('{')) {
        (Some(head), Some(members)) => [head, ",", members].concat(),
        _ => members.to_owned(),
    }
}

/// Counts how an answer came out, and what it would have cost a second time.
fn counted(
    task: Task,
    result: Result<Cached<Shared<Kept>>, Arc<AiError>>,
) -> Result<Cached<Shared<Kept>>, ApiError> {
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
