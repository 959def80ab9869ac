//! State shared by all connections to one store: the clock difference, and the counters logged as
//! damaged.
//!
//! Held by [`super::lane`] and [`super::cluster`].

use crate::clock::{self, Clock};
use crate::log_throttle::LogThrottle;
use crate::script::BadReply;
use crate::telemetry;
use limits::counter::CounterName;
use metrics::counter;
use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tracing::{error, warn};

/// The most damaged counters remembered as logged. Beyond that, they are logged again.
const MAX_REMEMBERED: usize = 1_000;

/// State shared by all connections to one store.
pub(crate) struct Shared {
    clock: Clock,
    /// How far the ledger's clock was ahead of ours at the last reply, in ms.
    ahead_ms: AtomicI64,
    damaged: Mutex<HashSet<CounterName>>,
    log_throttle: LogThrottle,
}

impl Shared {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            ahead_ms: AtomicI64::new(0),
            damaged: Mutex::default(),
            log_throttle: LogThrottle::new(Duration::from_secs(5)),
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// Records the time and the damaged counters in a reply.
    pub(super) fn note_reply(&self, now_ms: u64, damaged: &[CounterName]) {
        let there = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let here = i64::try_from(self.clock.now_ms()).unwrap_or(i64::MAX);
        self.ahead_ms.store(there.saturating_sub(here), Ordering::Relaxed);
        if damaged.is_empty() {
            return;
        }
        counter!(telemetry::DAMAGED).increment(damaged.len() as u64);
        let mut logged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        for name in damaged {
            if logged.len() >= MAX_REMEMBERED {
                logged.clear();
            }
            if logged.insert(name.clone()) {
                error!(counter = %name, "a counter's value was damaged: dropped, and counted as missing");
            }
        }
    }

    pub(super) fn log_bad_reply(&self, error: &BadReply) {
        if let Some(held_back) = self.log_throttle.permit(clock::instant()) {
            warn!(%error, held_back, "the ledger's reply is invalid");
        }
    }
}
