//! A question to Claude: sends it, reads the answer as it arrives, checks it, and retries once if
//! the answer is unusable.
//!
//! [`super::Ai`] runs this as the load of a cache entry, so it continues when the client that
//! started it disconnects.

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

/// The most attempts per answer. Within each, the client retries failed sends.
const MAX_TRIES: usize = 2;
/// The time limit for all attempts. A little less than a request may take
/// ([`crate::guard::MODEL_TIMEOUT`]).
const TIMEOUT: Duration = Duration::from_secs(280);
/// The longest that Claude can stay silent before a score goes without its review.
const SILENCE: Duration = Duration::from_secs(10);
/// The interval between checks for silence.
const SILENCE_POLL: Duration = Duration::from_millis(250);
/// A marker among the deltas: Claude starts over, and all text before it is void. JSON never
/// contains this character.
pub(crate) const START_OVER: &str = "\u{1e}";

/// An answer as it is stored. JSON replies and event streams share it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// The reply object, without the members that depend on the request.
    pub reply: Box<RawValue>,
    /// The text that Claude wrote, for event streams.
    pub text: String,
    /// The cost in millionths of a dollar.
    pub cost_micro_usd: u64,
    /// True if Claude's part is missing. Then the answer is not stored.
    #[serde(skip)]
    pub is_degraded: bool,
}

/// The parts that produce answers.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) claude: Option<Client>,
    /// Claude's base URL. Part of the cache key, so that answers of a development server are never
    /// taken for Claude's.
    pub(super) service: String,
    pub(super) prompts: Prompts,
    pub(super) models: Models,
    /// The cores for CPU-bound work on answers.
    pub(super) cores: Cores,
}

/// An answer being read. Its cost is recorded when it ends, however it ends.
struct Reading {
    /// Dropped first, which makes the bill final.
    events: AnswerStream,
    _paid: Paid,
}

/// Records the cost of an answer when dropped.
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

impl Engine {
    /// Returns the parts of the answer's cache key.
    pub(super) fn key_parts(&self, task: Task, input: &Input) -> Vec<String> {
        key::parts(task, &self.service, self.prompts.of(task), self.models.of(task), input)
    }

    /// Performs the task for this input. `user` is a pseudonym that identifies the user to the API.
    pub(super) async fn load(
        &self,
        task: Task,
        input: &Input,
        user: String,
        deltas: &Deltas,
    ) -> Result<Loaded<Shared<StoredAnswer>>, AiError> {
        let begun = AtomicBool::new(false);
        let answered = timeout(TIMEOUT, self.ask_claude(task, input, user, deltas, &begun));
        let in_time = async {
            let answered = answered.await.unwrap_or(Err(AiError::TooSlow(TIMEOUT)));
            let is_paid = begun.load(Ordering::Relaxed);
            answered.map_err(|error| if is_paid { error.paid() } else { error })
        };
        match task {
            Task::AnalyzeAtsScore => {
                let answered = tokio::select! {
                    answered = in_time => answered,
                    () = self.wait_for_silence() => Err(AiError::TooSlow(SILENCE)),
                };
                let Loaded { value, keep } = self.scored(input, answered).await?;
                Ok(Loaded { value: value.into(), keep })
            }
            _ => in_time.await.map(|stored| Loaded::keep(stored.into())),
        }
    }

    /// Builds the score, with Claude's review if there is one.
    pub(super) async fn scored(
        &self,
        input: &Input,
        answered: Result<StoredAnswer, AiError>,
    ) -> Result<Loaded<StoredAnswer>, AiError> {
        self.cores.run(|| scored(input, answered)).await
    }

    /// Returns once Claude has been silent for too long.
    async fn wait_for_silence(&self) {
        while self.claude.as_ref().and_then(Client::silence) < Some(SILENCE) {
            sleep(SILENCE_POLL).await;
        }
    }

    /// Asks Claude, with retries. Sets `begun` once an answer begins. From then on the call is paid
    /// for, whatever happens.
    async fn ask_claude(
        &self,
        task: Task,
        input: &Input,
        user: String,
        deltas: &Deltas,
        begun: &AtomicBool,
    ) -> Result<StoredAnswer, AiError> {
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
                Err(error) if error.is_worth_retrying() && tries < MAX_TRIES => {
                    tracing::warn!(task = task.name(), %error, "retrying a question to Claude");
                    tries += 1;
                    deltas.push(START_OVER);
                }
                done => return done,
            }
        }
    }

    /// Reads one answer to its end and checks it.
    async fn read(
        &self,
        events: AnswerStream,
        task: Task,
        input: &Input,
        deltas: &Deltas,
    ) -> Result<StoredAnswer, AiError> {
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
        // Applying and checking each change of a long résumé takes CPU time.
        self.cores.run(|| checked_answer(task, input, answer)).await
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

fn checked_answer(task: Task, input: &Input, answer: Answer) -> Result<StoredAnswer, AiError> {
    let Answer { text, stop_reason, cost_micro_usd, .. } = answer;
    if !stop_reason.is_complete() {
        return Err(AiError::Stopped(stop_reason));
    }
    let reply = answer::checked(task, input, &text)?;
    Ok(StoredAnswer { reply, text, cost_micro_usd, is_degraded: false })
}

/// Builds the reply with our score, plus Claude's review if there is one. A reply without a review
/// is still valid, but is not stored.
fn scored(
    input: &Input,
    answered: Result<StoredAnswer, AiError>,
) -> Result<Loaded<StoredAnswer>, AiError> {
    let rules = ats::score(&input.resume, input.job.as_ref().map(JobDescription::as_str));
    let score = rules.score;
    match answered {
        Ok(StoredAnswer { reply: review, text, cost_micro_usd, .. }) => {
            let reply = Scored { status: "ok", score, rules, review: Some(review) };
            let reply = answer::to_json(&reply)?;
            Ok(Loaded::keep(StoredAnswer { reply, text, cost_micro_usd, is_degraded: false }))
        }
        Err(error) => {
            tracing::warn!(%error, "returning a score without a review");
            let reply = Scored { status: "degraded", score, rules, review: None };
            let reply = answer::to_json(&reply)?;
            let value =
                StoredAnswer { reply, text: String::new(), cost_micro_usd: 0, is_degraded: true };
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
    /// The same as `rules.score`: Claude's review doesn't change a résumé's score.
    #[schema(maximum = 100)]
    score: u8,
    rules: ats::Report,
    /// Claude's review, if available.
    #[schema(value_type = Option<Review>, required)]
    review: Option<Box<RawValue>>,
}
