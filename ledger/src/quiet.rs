//! Keeps a log readable where one cause would fill it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets through one message of a kind in a while, and counts those it held back.
#[derive(Debug)]
pub struct Quiet {
    interval: Duration,
    state: Mutex<Option<Silence>>,
}

#[derive(Debug)]
struct Silence {
    since: Instant,
    held_back: u64,
}

impl Quiet {
    /// One message each `interval`.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(None) }
    }

    /// Whether to speak now; if so, how many messages were held back since the last.
    pub fn speak(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.as_mut() {
            Some(silence) if now.saturating_duration_since(silence.since) < self.interval => {
                silence.held_back += 1;
                None
            }
            _ => {
                let last = state.replace(Silence { since: now, held_back: 0 });
                Some(last.map_or(0, |last| last.held_back))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_in_a_while() {
        let quiet = Quiet::new(Duration::from_secs(10));
        let start = crate::clock::instant();
        let at = |seconds| quiet.speak(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!(at(1), None);
        assert_eq!(at(9), None);
        assert_eq!(at(10), Some(2));
        assert_eq!(at(25), Some(0));
    }
}
