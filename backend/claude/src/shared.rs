//! State shared by all calls of a client.
//!
//! Made by [`crate::client`], used by [`crate::call`].

use crate::breaker::{Breaker, Health, Refused, Ticket};
use crate::clock;
use crate::connect::BuildError;
use crate::http::{Http, Reply};
use crate::kind::Kind;
use crate::meter;
use crate::pace::Pace;
use crate::prices::Prices;
use crate::settings::Settings;
use crate::silence::Silence;
use crate::slots::Slots;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// State shared by all calls of a client.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) http: Http,
    breaker: Mutex<Breaker>,
    pace: Mutex<Pace>,
    pub(crate) silence: Silence,
    pub(crate) slots: Slots,
    pub(crate) prices: Prices,
    pub(crate) max_wait: Duration,
    pub(crate) max_retries: u32,
    pub(crate) timeout: Duration,
    pub(crate) idle_timeout: Duration,
}

/// An attempt admitted by the breaker. Its result is reported to the breaker, at the latest when it
/// is dropped.
pub(crate) struct Pass {
    shared: Arc<Shared>,
    ticket: Ticket,
    is_reported: bool,
}

impl Shared {
    pub(crate) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let settings = settings.bounded();
        meter::begin();
        Ok(Self {
            http: Http::new(&settings)?,
            breaker: Mutex::new(Breaker::new(settings.breaker)),
            pace: Mutex::new(Pace::default()),
            silence: Silence::default(),
            slots: Slots::new(settings.max_concurrent, settings.max_waiting),
            max_wait: settings.max_wait,
            max_retries: settings.max_retries,
            timeout: settings.timeout,
            idle_timeout: settings.idle_timeout,
            prices: settings.prices,
        })
    }

    pub(crate) fn health(&self) -> Health {
        match self.refusal() {
            None => Health::Up,
            Some(Refused { because, retry_after }) => Health::Down { because, retry_after },
        }
    }

    pub(crate) fn silence(&self) -> Option<Duration> {
        self.silence.lasts(clock::now())
    }

    /// Returns the breaker's refusal, or `None` while it is closed.
    pub(crate) fn refusal(&self) -> Option<Refused> {
        lock(&self.breaker).refusal(clock::now())
    }

    /// Asks the breaker to admit an attempt.
    pub(crate) fn pass(self: &Arc<Self>) -> Result<Pass, Refused> {
        let ticket = lock(&self.breaker).admit(clock::now())?;
        Ok(Pass { shared: Arc::clone(self), ticket, is_reported: false })
    }

    /// Updates the breaker, and logs and counts it if it opened or closed.
    fn update_breaker(&self, update: impl FnOnce(&mut Breaker, Instant)) {
        let now = clock::now();
        let mut breaker = lock(&self.breaker);
        let before = (breaker.openings(), breaker.is_open());
        update(&mut breaker, now);
        let after = (breaker.openings(), breaker.is_open());
        let refusal = breaker.refusal(now);
        drop(breaker);
        match refusal {
            Some(refused) if after.0 != before.0 => opened(refused),
            None if before.1 => closed(),
            _ => {}
        }
    }

    /// Returns how long to hold back calls for `model`; zero if they may be sent now.
    pub(crate) fn held(&self, model: &str) -> Duration {
        lock(&self.pace).wait(model, clock::now())
    }

    /// Records the rate limits in a response for `model`.
    pub(crate) fn record_limits(&self, model: &str, reply: &Reply) {
        lock(&self.pace).record(model, &reply.head, reply.is_limited(), clock::now());
    }
}

impl Pass {
    /// Reports that the answer has begun.
    pub(crate) fn answering(&self) {
        self.shared.update_breaker(|breaker, _now| breaker.answering(self.ticket));
    }

    /// Reports that the answer is complete.
    pub(crate) fn succeeded(mut self) {
        self.is_reported = true;
        self.shared.update_breaker(|breaker, _now| breaker.succeeded(self.ticket));
    }

    pub(crate) fn failed(mut self, kind: Kind) {
        self.is_reported = true;
        self.shared.update_breaker(|breaker, now| breaker.failed(self.ticket, kind, now));
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.is_reported {
            lock(&self.shared.breaker).given_back(self.ticket);
        }
    }
}

fn opened(Refused { because, retry_after }: Refused) {
    meter::breaker(Some(because));
    let (because, pause_ms) = (because.as_str(), retry_after.as_millis());
    tracing::warn!(because, pause_ms, "circuit breaker opened: calls to claude are held back");
}

fn closed() {
    meter::breaker(None);
    tracing::info!("circuit breaker closed: claude answers again");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
