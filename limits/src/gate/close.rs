//! Handles the end of a gate: its policy has been replaced, or its worker ends.

use super::metrics::Event;
use super::timer::Timer;
use super::{Gate, ms};

/// The time that a closing gate has to settle, in ms.
const CLOSES_WITHIN_MS: u64 = 30_000;

impl Gate {
    /// Starts closing the gate: gives back its leases, and takes no new ones.
    pub fn close(&mut self, now_us: u64) {
        if self.closes.is_none() && self.breaker.is_open() {
            self.metrics.add(Event::BreakersOpen, -1);
        }
        if self.closes.is_none() && self.contact.is_missing() {
            self.metrics.add(Event::ShimUnanswered, -1);
        }
        self.closes = Some(Timer::after(ms(now_us), CLOSES_WITHIN_MS));
        self.return_leases(ms(now_us));
    }

    /// Returns true if nothing waits to be sent or answered. A closing gate gives up after half a
    /// minute; what it could not settle stays charged.
    #[must_use]
    pub fn is_idle(&self, now_us: u64) -> bool {
        let is_due = self.closes.is_some_and(|closes| closes.is_due(ms(now_us)));
        is_due || (self.outbox.is_empty() && self.deciding.is_empty() && self.settles.is_idle())
    }
}
