//! What all connections to one store share: the difference between the clocks, and what was logged.
//!
//! Held by [`super::lane`] and [`super::cluster`].

use crate::clock::{self, Clock};
use crate::quiet::Quiet;
use crate::script::BadReply;
use crate::telemetry;
use limits::counter::CounterName;
use metrics::counter;
use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tracing::{error, warn};

/// Damaged counters remembered as logged; past that, they are logged again.
const MAX_REMEMBERED: usize = 1_000;

/// What all connections to one store share.
pub(crate) struct Shared {
    clock: Clock,
    /// How far the ledger's clock is ahead of ours, as last heard.
    ahead_ms: AtomicI64,
    damaged: Mutex<HashSet<CounterName>>,
    complaints: Quiet,
}

impl Shared {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            ahead_ms: AtomicI64::new(0),
            damaged: Mutex::default(),
            complaints: Quiet::new(Duration::from_secs(5)),
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// Notes what a reply told: the time there, and damaged counters.
    pub(super) fn heard(&self, now_ms: u64, damaged: &[CounterName]) {
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
                error!(counter = %name, "a counter's value was damaged: dropped, and counted as absent");
            }
        }
    }

    pub(super) fn complain_of_reply(&self, error: &BadReply) {
        if let Some(held_back) = self.complaints.speak(clock::instant()) {
            warn!(%error, held_back, "the ledger's reply is none that its script gives");
        }
    }
}
