//! Measures how long calls have been waiting without any response from the service.
//!
//! A hung service fails no call before its timeout, which takes minutes. Until then, this is the
//! only sign. Owned by [`crate::shared`], exposed by [`crate::Client::silence`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The number of waiting calls, and the start of the current silence.
#[derive(Debug, Default)]
pub(crate) struct Silence(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of calls waiting for a response head.
    waiting: usize,
    /// The time the first of them began to wait, or the last response arrived if that was later.
    since: Option<Instant>,
}

/// A call that waits for a response head until this is dropped.
pub(crate) struct Listening<'a>(&'a Silence);

impl Silence {
    /// Registers a waiting call.
    pub(crate) fn listen(&self, now: Instant) -> Listening<'_> {
        let mut state = self.state();
        state.since = state.since.filter(|_| state.waiting > 0).or(Some(now));
        state.waiting = state.waiting.saturating_add(1);
        drop(state);
        Listening(self)
    }

    /// Returns for how long calls have been waiting without any response; `None` if none is
    /// waiting.
    pub(crate) fn lasts(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        let since = state.since.filter(|_| state.waiting > 0)?;
        Some(now.saturating_duration_since(since))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listening<'_> {
    /// Records that a response arrived.
    pub(crate) fn heard(self, now: Instant) {
        self.0.state().since = Some(now);
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.waiting = state.waiting.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn silence_lasts_while_calls_wait_and_no_response_arrives() {
        let (silence, start) = (Silence::default(), clock::now());
        let at = |s| start + Duration::from_secs(s);
        let check = |s, expected: Option<u64>| {
            assert_eq!(silence.lasts(at(s)), expected.map(Duration::from_secs), "after {s} s");
        };
        check(1, None);
        let first = silence.listen(at(1));
        check(1, Some(0));
        let second = silence.listen(at(3));
        check(5, Some(4));
        first.heard(at(6));
        check(7, Some(1));
        let third = silence.listen(at(8));
        drop(second);
        check(9, Some(3));
        drop(third);
        check(10, None);
        let _fourth = silence.listen(at(20));
        check(21, Some(1));
    }
}
