//! Since when calls have been waiting for any sign of the service.
//!
//! A service that hangs fails no call before its time-out, which is minutes: until then this is what
//! tells. Kept by [`crate::shared`], told by [`crate::Client::silence`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Who is waiting, and since when nothing has come.
#[derive(Debug, Default)]
pub(crate) struct Silence(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many calls wait for the head of a response.
    waiting: usize,
    /// When the first of them began, or the last response came if that was later.
    since: Option<Instant>,
}

/// A call that waits for the head of a response, for as long as this lives.
pub(crate) struct Listening<'a>(&'a Silence);

impl Silence {
    /// A call begins to wait.
    pub(crate) fn listen(&self, now: Instant) -> Listening<'_> {
        let mut state = self.state();
        state.since = state.since.filter(|_| state.waiting > 0).or(Some(now));
        state.waiting = state.waiting.saturating_add(1);
        drop(state);
        Listening(self)
    }

    /// For how long some call has been waiting and no response has come; `None` where none waits.
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
    /// A response came.
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
    fn it_lasts_while_calls_wait_and_nothing_comes() {
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
