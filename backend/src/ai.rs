//! Claude's work on résumés. Each answer is paid for once.
//!
//! Called by [`crate::routes::ai`]. [`task`] lists the tasks, [`input`] parses a request,
//! [`prompt`] renders it for Claude, and [`model`] selects the model. [`key`] derives the answer's
//! name in the [`crate::cache`]. On a miss, [`ask`] has Claude write the answer, and [`answer`]
//! checks and completes it. Only complete and valid answers are stored. [`recent`] maps a repeated
//! request straight to its cache entry.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod error;
pub(crate) mod input;
pub(crate) mod key;
pub(crate) mod language;
pub(crate) mod meter;
pub(crate) mod model;
pub(crate) mod prompt;
pub(crate) mod recent;
pub(crate) mod task;

pub(crate) use ask::StoredAnswer;
pub(crate) use error::AiError;
pub(crate) use input::{Input, ParsedAsk};
pub(crate) use model::Models;
pub(crate) use task::Task;

use crate::accounts::Caller;
use crate::cache::{Cache, Cached, Entry, Flight, Origin, Shared, Use};
use crate::cores::Cores;
use crate::user_secret::UserSecret;
use anyhow::Context;
use ask::Engine;
use claude::{Client, Health, Settings};
use prompt::Prompts;
use recent::{Digest, Found, Recent};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// The longest that Claude can stay silent before it counts as down. A healthy stream begins at
/// once.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// The AI routes' implementation.
#[derive(Debug)]
pub struct Ai {
    engine: Arc<Engine>,
    cache: Cache,
    recent: Recent,
}

/// An answer that is present or being loaded.
pub(crate) type Answer = Flight<Shared<StoredAnswer>, AiError>;

/// The state of Claude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaudeState {
    /// Calls succeed, as far as is known.
    Up,
    /// Too many recent calls failed, so Claude isn't called.
    Down,
    /// Too many calls failed, and the pause is over. The next call decides.
    HalfOpen,
    /// No API key is configured.
    NotConfigured,
}

impl Ai {
    /// Creates the AI routes' implementation. `service` is Claude's base URL. Answers are stored in
    /// `cache`. Without `settings`, Claude is never called.
    ///
    /// # Errors
    /// Fails if the client cannot be created, or a prompt is not a valid template.
    pub fn new(
        service: String,
        settings: Option<Settings>,
        models: Models,
        cache: Cache,
        cores: Cores,
    ) -> anyhow::Result<Self> {
        if let Some(Settings { prices, .. }) = &settings {
            for model in models.names().filter(|model| !prices.has(model)) {
                tracing::warn!(
                    model,
                    "CLAUDE_PRICES has no price for this model: it counts as free"
                );
            }
        }
        let claude = settings.map(Client::new).transpose().context("ANTHROPIC_BASE_URL")?;
        let prompts = Prompts::new().context("cannot load the prompts")?;
        let engine = Engine { claude, service, prompts, models, cores };
        Ok(Self { engine: Arc::new(engine), cache, recent: Recent::new() })
    }

    /// Starts the task for this input, joins one in progress, or returns the stored answer, along
    /// with its cache entry.
    pub fn ask(
        &self,
        task: Task,
        input: Arc<Input>,
        secret: &UserSecret,
        use_: Use,
    ) -> (Entry, Answer) {
        let engine = Arc::clone(&self.engine);
        let parts = engine.key_parts(task, &input);
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        let entry = Entry::ai(task.name(), &secret.hash(&parts), self.cache.ttls());
        let user = secret.hash(&[b"claude"]);
        let flight = self.cache.flight(&entry, &secret.seal_key(), use_, |deltas| async move {
            engine.load(task, &input, user, &deltas).await
        });
        (entry, flight)
    }

    /// Returns a fallback for a failed flight: for an aborted score, the score without Claude's
    /// review.
    ///
    /// # Errors
    /// `why` if there is no fallback.
    pub async fn fallback(
        &self,
        task: Task,
        input: &Input,
        why: Arc<AiError>,
    ) -> Result<Cached<Shared<StoredAnswer>>, Arc<AiError>> {
        match (task, &*why) {
            (Task::AnalyzeAtsScore, AiError::Aborted(aborted)) => {
                let scored = self.engine.scored(input, Err((*aborted).into())).await?;
                Ok(Cached { value: scored.value.into(), origin: Origin::Miss })
            }
            _ => Err(why),
        }
    }

    /// Returns the answer to a recent question if this process has it in memory, along with the
    /// question's cache entry.
    #[must_use]
    pub fn in_memory(
        &self,
        question: &Digest,
        caller: &Caller,
        use_: Use,
    ) -> Option<(Arc<Found>, Answer)> {
        let found = self.recent.get(question)?;
        let flight = self.cache.in_memory(&found.entry, &caller.secret.seal_key(), use_)?;
        Some((found, flight))
    }

    /// Remembers the cache entry of a question.
    pub fn remember(&self, question: Digest, found: Found) {
        self.recent.put(question, found);
    }

    /// Returns Claude's last known state, without waiting. Claude is down while calls fail, and
    /// while pending calls get no sign of life.
    #[must_use]
    pub fn claude_state(&self) -> ClaudeState {
        let Some(claude) = &self.engine.claude else { return ClaudeState::NotConfigured };
        if claude.silence() >= Some(SILENT_AFTER) {
            return ClaudeState::Down;
        }
        match claude.health() {
            Health::Up => ClaudeState::Up,
            Health::Down { retry_after, .. } if retry_after.is_zero() => ClaudeState::HalfOpen,
            Health::Down { .. } => ClaudeState::Down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::language::Language;
    use super::*;
    use crate::cache::{Aborted, Link, LinkSettings};
    use crate::config::Config;
    use resume::Resume;
    use serde_json::json;
    use std::num::NonZeroUsize;

    fn ai() -> Ai {
        let config = Config::from_vars(|_| None).unwrap();
        let settings = LinkSettings { max_connections: 1, timeout: Duration::from_secs(1) };
        let cache = Cache::new(true, config.cache_ttls, Link::new(None, settings));
        Ai::new(String::new(), None, config.claude.models, cache, Cores::new(NonZeroUsize::MIN))
            .unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_aborted_score_falls_back_to_one_without_a_review() {
        let (ai, resume) = (ai(), Resume::new(json!({"basics": {"name": "Ada"}})).unwrap());
        let input = Input { resume, job: None, language: Language::default() };
        for why in [Aborted::TooMany, Aborted::Panicked, Aborted::TooSlow] {
            let fallback = |task| ai.fallback(task, &input, Arc::new(why.into()));
            let score = fallback(Task::AnalyzeAtsScore).await.unwrap();
            assert!(score.value.is_degraded, "{why}");
            assert!(score.value.reply.get().starts_with(r#"{"status":"degraded","score":"#));
            let error = fallback(Task::OptimizeResume).await.unwrap_err();
            assert!(matches!(&*error, AiError::Aborted(same) if *same == why), "{error}");
        }
        let other = ai.fallback(Task::AnalyzeAtsScore, &input, Arc::new(AiError::NoEnd)).await;
        assert!(matches!(&*other.unwrap_err(), AiError::NoEnd), "the load itself has the score");
    }
}
