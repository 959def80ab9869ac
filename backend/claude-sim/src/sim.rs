//! The server's state.

use crate::at_once::AtOnce;
use crate::faults::Faults;
use crate::prompt_cache::PromptCache;
use crate::rate_limit::RateLimit;
use crate::recorded::Recorded;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A stream waits this fraction of the latency before each event.
const EVENTS_PER_LATENCY: u32 = 20;

/// The server's settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// The delay before each answer.
    pub latency: Duration,
}

/// The server's state.
#[derive(Debug, Default)]
pub struct Sim {
    /// The server's settings.
    pub settings: Settings,
    /// The recorded requests.
    pub recorded: Recorded,
    /// The number of concurrent requests.
    pub at_once: Arc<AtOnce>,
    /// The pending faults.
    pub faults: Faults,
    /// The cached prompt prefixes.
    pub prompt_cache: PromptCache,
    /// The usage of the rate limits.
    pub rate_limit: RateLimit,
    next_id: AtomicU64,
}

impl Sim {
    /// Creates the state of a new server.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Returns a new unique number.
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns a new request id.
    pub fn next_request_id(&self) -> String {
        format!("req_sim_{:016x}", self.next_id())
    }

    /// Returns the delay before each event of a stream.
    #[must_use]
    pub fn event_latency(&self) -> Duration {
        self.settings.latency / EVENTS_PER_LATENCY
    }
}
