//! One question to Claude: sent, read as it comes, checked, and asked once more if nothing can be
//! made of the answer.
//!
//! Run by [`super::Ai`] as the load of a cache entry, so it goes on when the client that began it
//! has left.

use super::answer::{self, Review};
use super::error::AiError;
use super::input::{Input, JobDescription};
use super::model::Models;
use super::prompt::Prompts;
use super::task::Task;
use super::{key, meter};
use crate::cache::{Deltas, Loaded, Shared};
use crate::cores::Cores;
use claude::{Answer, AnswerStream, Bill, Client, Event, Request, System};
use resume::ats;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often Claude is asked for one answer. (What could not be sent is sent again by the client,
/// within one of these.)
const MAX_TRIES: usize = 2;
/// How long all of it may take: somewhat less than a request waits
/// ([`crate::guard::MODEL_TIMEOUT`]).
const TIMEOUT: Duration = Duration::from_secs(280);
/// How long Claude may give no sign of life before a score does without its review.
const SILENCE: Duration = Duration::from_secs(10);
/// How often that is looked at.
const SILENCE_POLL: Duration = Duration::from_millis(250);
/// Stands among the deltas where Claude begins anew, and all before it is void. JSON has no such
/// character.
pub(crate) const ANEW: &str = "\u{1e}";

/// An answer as the cache keeps it: one for both shapes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// The reply, an object, but for its members that are about the request.
    pub reply: Box<RawValue>,
    /// What Claude wrote, for those who want to see it being written.
    pub text: String,
    /// What it cost, in millionths of a dollar.
    pub cost_micro_usd: u64,
    /// Whether it lacks what Claude would have said. Then it is not kept.
    #[serde(skip)]
    pub is_degraded: bool,
}

/// What answers are made with.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) claude: Option<Client>,
    /// Where it is asked: a development server's answers are not to be taken for Claude's.
    pub(super) service: String,
    pub(super) prompts: Prompts,
    pub(super) models: Models,
    /// What is done with an answer, and without one, takes turns on these.
    pub(super) cores: Cores,
}

/// An answer as it comes. It is paid for, however it ends.
struct Reading {
    /// Dropped first: then its bill is known.
    events: AnswerStream,
    _paid: Paid,
}

/// Counts what an answer cost when it is over.
struct Paid {
    task: Task,
    bill: Bill,
}

impl Reading {
    fn of(task: Task, events: AnswerStream) -> Self {
        let bill = events.bill();
        Self { events, _paid: Paid { task, bill } }
    }
}

impl Drop for Paid {
    fn drop(&mut self) {
        meter::spent(self.task, self.bill.cost_micro_usd());
    }
}

impl Asking {
    /// What names the answer.
    pub(super) fn key_parts(&self, task: Task, input: &Input) -> Vec<String> {
        key::parts(task, &self.service, self.prompts.of(task), self.models.of(task), input)
    }

    /// The task done for this input. `user` names the user to the API, and tells it nothing.
    pub(super) async fn load(
        &self,
        task: Task,
        input: &Input,
        user: String,
        deltas: &Deltas,
    ) -> Result<Loaded<Shared<Kept>>, AiError> {
        let begun = AtomicBool::new(false);
        let answered = timeout(TIMEOUT, self.answered(task, input, user, deltas, &begun));
        let in_time = async {
            let answered = answered.await.unwrap_or(Err(AiError::TooSlow(TIMEOUT)));
            let is_paid = begun.load(Ordering::Relaxed);
            answered.map_err(|error| if is_paid { error.paid() } else { error })
        };
        match task {
            Task::AnalyzeAtsScore => {
                let answered = tokio::select! {
                    answered = in_time => answered,
                    () = self.silent() => Err(AiError::TooSlow(SILENCE)),
                };
                let Loaded { value, keep } = self.scored(input, answered).await?;
                Ok(Loaded { value: value.into(), keep })
            }
            _ => in_time.await.map(|kept| Loaded::keep(kept.into())),
        }
    }

    /// The score, with a review if there is one.
    pub(super) async fn scored(
        &self,
        input: &Input,
        answered: Result<Kept, AiError>,
    ) -> Result<Loaded<Kept>, AiError> {
        self.cores.run(|| scored(input, answered)).await
    }

    /// Ready once Claude has given those who wait no sign of life for too long.
    async fn silent(&self) {
        while self.claude.as_ref().and_then(Client::silence) < Some(SILENCE) {
            sleep(SILENCE_POLL).await;
        }
    }

    /// Sets `begun` once Claude begins an answer: from then on the call is paid for, whatever comes
    /// of this answer or of the next.
    async fn answered(
        &self,
        task: Task,
        input: &Input,
        user: String,
        deltas: &Deltas,
        begun: &AtomicBool,
    ) -> Result<Kept, AiError> {
        let claude = self.claude.as_ref().ok_or(AiError::NotConfigured)?;
        let request = self.request(task, input, user)?;
        let mut tries = 1;
        loop {
            let events = claude.stream(&request).await.map_err(AiError::Claude);
            let events = events.inspect(|_| begun.store(true, Ordering::Relaxed));
            let done = match events {
                Ok(events) => self.read(events, task, input, deltas).await,
                Err(error) => Err(error),
            };
            match done {
                Err(error) if error.is_worth_another_try() && tries < MAX_TRIES => {
                    tracing::warn!(task = task.name(), %error, "asking Claude once more");
                    tries += 1;
                    deltas.push(ANEW);
                }
                done => return done,
            }
        }
    }

    /// One answer, read to its end and checked.
    async fn read(
        &self,
        events: AnswerStream,
        task: Task,
        input: &Input,
        deltas: &Deltas,
    ) -> Result<Kept, AiError> {
        let mut reading = Reading::of(task, events);
        let mut last = None;
        while let Some(event) = reading.events.next().await {
            match event.map_err(AiError::BrokeOff)? {
                Event::Text(text) => deltas.push(&text),
                Event::Done(answer) => last = Some(answer),
            }
        }
        drop(reading);
        let answer = last.ok_or(AiError::NoEnd)?;
        // A long résumé takes a while to be changed and checked again and again.
        self.cores.run(|| whole(task, input, answer)).await
    }

    fn request(&self, task: Task, input: &Input, user: String) -> Result<Request, AiError> {
        let (prompt, model) = (self.prompts.of(task), self.models.of(task));
        Ok(Request {
            model: model.name.clone(),
            max_tokens: model.max_tokens,
            effort: model.effort,
            system: vec![System { text: prompt.system.clone(), cached: true }],
            content: self.prompts.data(input)?,
            schema: Some(prompt.schema.clone()),
            user_id: Some(user),
        })
    }
}

fn whole(task: Task, input: &Input, answer: Answer) -> Result<Kept, AiError> {
    let Answer { text, stop_reason, cost_micro_usd, .. } = answer;
    if !stop_reason.is_complete() {
        return Err(AiError::Stopped(stop_reason));
    }
    let reply = answer::checked(task, input, &text)?;
    Ok(Kept { reply, text, cost_micro_usd, is_degraded: false })
}

/// The score that we count, with Claude's review on top if there is one. Without it the reply is
/// whole for whoever asked, and not worth keeping.
fn scored(input: &Input, answered: Result<Kept, AiError>) -> Result<Loaded<Kept>, AiError> {
    let rules = ats::score(&input.resume, input.job.as_ref().map(JobDescription::as_str));
    let score = rules.score;
    match answered {
        Ok(Kept { reply: review, text, cost_micro_usd, .. }) => {
            let reply = Scored { status: "ok", score, rules, review: Some(review) };
            let reply = answer::written(&reply)?;
            Ok(Loaded::keep(Kept { reply, text, cost_micro_usd, is_degraded: false }))
        }
        Err(error) => {
            tracing::warn!(%error, "a score without a review");
            let reply = Scored { status: "degraded", score, rules, review: None };
            let reply = answer::written(&reply)?;
            let value = Kept { reply, text: String::new(), cost_micro_usd: 0, is_degraded: true };
            Ok(Loaded { value, keep: false })
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = AtsScore)]
pub(crate) struct Scored {
    /// `ok`, or `degraded` without a review.
    #[schema(pattern = "^(ok|degraded)$")]
    status: &'static str,
    /// The same as `rules.score`: with Claude and without it, one résumé has one score.
    #[schema(maximum = 100)]
    score: u8,
    rules: ats::Report,
    /// Claude's, if it could be had.
    #[schema(value_type = Option<Review>, required)]
    review: Option<Box<RawValue>>,
}
