//! The only file of this crate that reads the clock.
//!
//! Called by [`crate::store`] for the in-memory ledger's time and to estimate Redis's, and wherever
//! a timeout needs an instant.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The machine's clock, adjusted to never run backward.
///
/// It follows the system time forward, also through a suspend. When the system time is set back, it
/// continues with the monotonic clock, so that counters don't stall for an hour because the clock
/// was corrected by an hour.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Mutex<Reading>>);

#[derive(Debug, Clone, Copy)]
struct Reading {
    unix_ms: u64,
    at: Instant,
}

impl Clock {
    /// Starts a clock at the system time.
    #[must_use]
    pub fn start() -> Self {
        Self(Arc::new(Mutex::new(Reading { unix_ms: system_ms(), at: instant() })))
    }

    /// Returns the time in Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.advanced(system_ms(), instant());
        last.unix_ms
    }
}

impl Reading {
    /// Returns the next reading: the system time, or this reading advanced by the monotonic clock
    /// if that is later. Carries fractions of a millisecond over, so that frequent readings lose
    /// nothing.
    fn advanced(self, system_ms: u64, at: Instant) -> Self {
        let elapsed = at.saturating_duration_since(self.at);
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let monotonic_ms = self.unix_ms.saturating_add(elapsed_ms);
        if system_ms > monotonic_ms {
            return Self { unix_ms: system_ms, at };
        }
        let carried = elapsed.subsec_nanos() % 1_000_000;
        let at = at.checked_sub(std::time::Duration::from_nanos(carried.into())).unwrap_or(at);
        Self { unix_ms: monotonic_ms, at }
    }
}

/// Returns the current instant of the monotonic clock, for measuring durations.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub fn instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
fn system_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_clock_follows_the_system_forward_and_is_monotonic_otherwise() {
        let start = instant();
        let check = |system_ms, after_us: u64, expected_ms| {
            let reading = Reading { unix_ms: 1_000_000, at: start };
            let next = reading.advanced(system_ms, start + Duration::from_micros(after_us));
            assert_eq!(next.unix_ms, expected_ms, "system {system_ms}, after {after_us} µs");
        };
        check(1_000_000, 0, 1_000_000);
        check(1_000_005, 5_000, 1_000_005);
        check(1_900_000, 5_000, 1_900_000); // woken from a suspend
        check(0, 5_000, 1_000_005); // set back
    }

    #[test]
    fn frequent_readings_lose_no_time() {
        let start = instant();
        let mut reading = Reading { unix_ms: 0, at: start };
        for step in 1..=1_000_u64 {
            reading = reading.advanced(0, start + Duration::from_micros(step * 700));
        }
        assert_eq!(reading.unix_ms, 700);
    }
}
