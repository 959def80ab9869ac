//! What Claude does for a résumé, each answer paid for once.
//!
//! Asked by [`crate::routes::ai`]. [`task`] names what there is to do, [`input`] what it takes,
//! [`prompt`] turns that into what Claude is told and [`model`] says which model; [`key`] names the
//! answer in the [`crate::cache`], and if it is not there [`ask`] has Claude write it and [`answer`]
//! checks and completes it. What is not complete and valid is kept nowhere. [`recent`] finds the name
//! of what was asked before in the same words.

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

pub(crate) use ask::Kept;
pub(crate) use error::AiError;
pub(crate) use input::{Asked, Input};
pub(crate) use model::Models;
pub(crate) use task::Task;

use crate::accounts::Caller;
use crate::cache::{Cache, Cached, Entry, Flight, Origin, Shared, Use};
use crate::cores::Cores;
use crate::user_secret::UserSecret;
use anyhow::Context;
use ask::Asking;
use claude::{Client, Health, Settings};
use prompt::Prompts;
use recent::{Digest, Found, Recent};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// How long Claude may give no sign of life before it counts as down. (A stream begins at once.)
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// The AI routes' work.
#[derive(Debug)]
pub struct Ai {
    asking: Arc<Asking>,
    cache: Cache,
    recent: Recent,
}

/// An answer that is there, or on its way.
pub(crate) type Answer = Flight<Shared<Kept>, AiError>;

/// Whether Claude answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaudeState {
    /// As far as is known.
    Up,
    /// It has failed too often of late to be asked.
    Down,
    /// It had failed too often, and nobody has asked since the pause was over: the next who asks
    /// finds out.
    HalfOpen,
    /// There is no key to ask with.
    NotConfigured,
}

impl Ai {
    /// Asks the Claude at `service` as `settings` say, with `models`, and keeps what it answers in
    /// `cache`. Without settings nothing is asked.
    ///
    /// # Errors
    /// Where no client can be made, or a prompt is no template.
    pub fn new(
        service: String,
        settings: Option<Settings>,
        models: Models,
        cache: Cache,
        cores: Cores,
    ) -> anyhow::Result<Self> {
        if let Some(Settings { prices, .. }) = &settings {
            for model in models.names().filter(|model| !prices.has(model)) {
                tracing::warn!(model, "CLAUDE_PRICES lacks this model: it counts as free");
            }
        }
        let claude = settings.map(Client::new).transpose().context("ANTHROPIC_BASE_URL")?;
        let prompts = Prompts::new().context("a prompt")?;
        let asking = Asking { claude, service, prompts, models, cores };
        Ok(Self { asking: Arc::new(asking), cache, recent: Recent::new() })
    }

    /// Has the task done for this input, and tells its entry; or joins those who have it done
    /// already, or gives what was kept.
    pub fn ask(
        &self,
        task: Task,
        input: Arc<Input>,
        secret: &UserSecret,
        use_: Use,
    ) -> (Entry, Answer) {
        let asking = Arc::clone(&self.asking);
        let parts = asking.key_parts(task, &input);
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        let entry = Entry::ai(task.name(), &secret.hash(&parts), self.cache.ttls());
        let user = secret.hash(&[b"claude"]);
        let flight = self.cache.flight(&entry, &secret.seal_key(), use_, |deltas| async move {
            asking.load(task, &input, user, &deltas).await
        });
        (entry, flight)
    }

    /// What there is where a flight came to no end of its own, or never took off: a score is counted
    /// without Claude.
    ///
    /// # Errors
    /// `why`, where there is nothing.
    pub async fn instead(
        &self,
        task: Task,
        input: &Input,
        why: Arc<AiError>,
    ) -> Result<Cached<Shared<Kept>>, Arc<AiError>> {
        match (task, &*why) {
            (Task::AnalyzeAtsScore, AiError::Aborted(aborted)) => {
                let scored = self.asking.scored(input, Err((*aborted).into())).await?;
                Ok(Cached { value: scored.value.into(), origin: Origin::Miss })
            }
            _ => Err(why),
        }
    }

    /// The answer to a question that was asked of late, if this process has it; with what the
    /// question came to.
    #[must_use]
    pub fn kept(
        &self,
        question: &Digest,
        caller: &Caller,
        use_: Use,
    ) -> Option<(Arc<Found>, Answer)> {
        let found = self.recent.get(question)?;
        let flight = self.cache.in_memory(&found.entry, &caller.secret.seal_key(), use_)?;
        Some((found, flight))
    }

    /// Remembers what a question came to.
    pub fn remember(&self, question: Digest, found: Found) {
        self.recent.put(question, found);
    }

    /// How Claude is, as far as is known: down while its calls fail, and while it gives those that
    /// wait no sign of life. Waits for nothing.
    #[must_use]
    pub fn claude_state(&self) -> ClaudeState {
        let Some(claude) = &self.asking.claude else { return ClaudeState::NotConfigured };
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
    async fn a_score_is_counted_even_where_nothing_could_be_asked() {
        let (ai, resume) = (ai(), Resume::new(json!({"basics": {"name": "Ada"}})).unwrap());
        let input = Input { resume, job: None, language: Language::default() };
        for why in [Aborted::TooMany, Aborted::Panicked, Aborted::TooSlow] {
            let instead = |task| ai.instead(task, &input, Arc::new(why.into()));
            let score = instead(Task::AnalyzeAtsScore).await.unwrap();
            assert!(score.value.is_degraded, "{why}");
            assert!(score.value.reply.get().starts_with(r#"{"status":"degraded","score":"#));
            let error = instead(Task::OptimizeResume).await.unwrap_err();
            assert!(matches!(&*error, AiError::Aborted(same) if *same == why), "{error}");
        }
        let other = ai.instead(Task::AnalyzeAtsScore, &input, Arc::new(AiError::NoEnd)).await;
        assert!(matches!(&*other.unwrap_err(), AiError::NoEnd), "the load has counted it");
    }
}
