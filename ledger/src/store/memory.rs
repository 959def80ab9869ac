//! The in-memory ledger: for a single shim without Redis. Its counters are lost when the process
//! ends.
//!
//! Called by [`super::Store`]. The arithmetic is [`limits::ledger`]'s.

use super::fault::Fault;
use super::wave::Timed;
use crate::clock::{self, Clock};
use crate::log_throttle::LogThrottle;
use limits::counter::CounterName;
use limits::ledger::{self, Charge, Decided, Refusal, Request, Settle, TopUp, ToppedUp};
use limits::wire::{ChargeOutcome, Settled};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::warn;

/// Counters in this process's memory. Clones share them.
#[derive(Debug, Clone)]
pub struct Memory {
    ledger: Arc<Mutex<ledger::Ledger>>,
    clock: Clock,
    log_throttle: Arc<LogThrottle>,
}

impl Memory {
    /// Creates an empty ledger for at most `capacity` counters.
    #[must_use]
    pub fn new(capacity: usize, clock: Clock) -> Self {
        Self {
            ledger: Arc::new(Mutex::new(ledger::Ledger::new(capacity))),
            clock,
            log_throttle: Arc::new(LogThrottle::new(Duration::from_secs(5))),
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.lock().time_ms(self.clock.now_ms())
    }

    pub(super) fn decide(&self, requests: &[Request]) -> Vec<Result<Timed<Decided>, Fault>> {
        self.each(requests, ledger::Ledger::decide)
    }

    pub(super) fn settle(&self, settles: &[Settle]) -> Vec<Result<Timed<Settled>, Fault>> {
        self.each(settles, ledger::Ledger::settle)
    }

    pub(super) fn peek(&self, charge: &Charge) -> Result<Timed<ChargeOutcome>, Fault> {
        let ledger = self.lock();
        let now_ms = ledger.time_ms(self.clock.now_ms());
        Ok(Timed { now_ms, answer: ledger.peek(now_ms, charge)? })
    }

    pub(super) fn reset(&self, counter: &CounterName) -> bool {
        self.lock().reset(counter)
    }

    pub(super) fn unblock(&self, counter: &CounterName) -> bool {
        self.lock().unblock(counter)
    }

    pub(super) fn top_up(&self, top_up: &TopUp) -> Result<ToppedUp, Fault> {
        let answer = self.lock().top_up(self.clock.now_ms(), top_up);
        Ok(answer.inspect_err(|refusal| self.log_refusal(refusal))?)
    }

    /// Asks in order, all at the same time.
    fn each<Q, A>(
        &self,
        questions: &[Q],
        ask: impl Fn(&mut ledger::Ledger, u64, &Q) -> Result<A, Refusal>,
    ) -> Vec<Result<Timed<A>, Fault>> {
        let mut ledger = self.lock();
        let clock_ms = self.clock.now_ms();
        let answers = questions.iter().map(|question| {
            let answer = ask(&mut ledger, clock_ms, question);
            let answer = answer.inspect_err(|refusal| self.log_refusal(refusal))?;
            Ok(Timed { now_ms: ledger.time_ms(clock_ms), answer })
        });
        answers.collect()
    }

    fn log_refusal(&self, refusal: &Refusal) {
        let full = matches!(refusal, Refusal::Full { .. });
        if full && let Some(held_back) = self.log_throttle.permit(clock::instant()) {
            warn!(%refusal, held_back, "raise --memory-counters to hold more");
        }
    }

    /// Locks the ledger, even after a panic. A panic in the arithmetic can at worst leave a counter
    /// half written, which is better than refusing everything from then on.
    fn lock(&self) -> MutexGuard<'_, ledger::Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
