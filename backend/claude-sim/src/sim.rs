//! All that the server keeps while it runs.

use crate::at_once::AtOnce;
use crate::faults::Faults;
use crate::prompt_cache::PromptCache;
use crate::rate_limit::RateLimit;
use crate::recorded::Recorded;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The latency is shared out: a stream waits so much of it before each event.
const EVENTS_PER_LATENCY: u32 = 20;

/// How it is to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// How long each answer takes to begin.
    pub latency: Duration,
}

/// The state.
#[derive(Debug, Default)]
pub struct Sim {
    /// How it is to be.
    pub settings: Settings,
    /// The requests that came.
    pub recorded: Recorded,
    /// Those that are being answered.
    pub at_once: Arc<AtOnce>,
    /// What is to go wrong.
    pub faults: Faults,
    /// The beginnings of prompts.
    pub prompt_cache: PromptCache,
    /// What is left of the limits.
    pub rate_limit: RateLimit,
    next_id: AtomicU64,
}

impl Sim {
    /// As `settings` say.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// A number that no request had before.
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The name of the next request.
    pub fn next_request_id(&self) -> String {
        format!("req_sim_{:016x}", self.next_id())
    }

    /// How long a stream waits before each of its events.
    #[must_use]
    pub fn event_latency(&self) -> Duration {
        self.settings.latency / EVENTS_PER_LATENCY
    }
}
