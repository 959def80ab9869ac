//! Keeps one cause from flooding the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Permits one message of a kind per interval, and counts the suppressed ones.
#[derive(Debug)]
pub struct LogThrottle {
    interval: Duration,
    state: Mutex<Option<Interval>>,
}

#[derive(Debug)]
struct Interval {
    since: Instant,
    held_back: u64,
}

impl LogThrottle {
    /// Creates a throttle that permits one message per `interval`.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(None) }
    }

    /// Returns the number of messages suppressed since the last one if a message is permitted now;
    /// `None` if it must be suppressed.
    pub fn permit(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.as_mut() {
            Some(last) if now.saturating_duration_since(last.since) < self.interval => {
                last.held_back += 1;
                None
            }
            _ => {
                let last = state.replace(Interval { since: now, held_back: 0 });
                Some(last.map_or(0, |last| last.held_back))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_is_permitted_per_interval() {
        let throttle = LogThrottle::new(Duration::from_secs(10));
        let start = crate::clock::instant();
        let at = |seconds| throttle.permit(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!(at(1), None);
        assert_eq!(at(9), None);
        assert_eq!(at(10), Some(2));
        assert_eq!(at(25), Some(0));
    }
}
