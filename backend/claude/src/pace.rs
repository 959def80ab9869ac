//! Pacing: holds back a model's calls while the service reports an exhausted rate limit or asks to
//! wait.
//!
//! Pure: every `now` is passed in. Owned by [`crate::shared`].

use crate::head::{Head, LIMITS, Left};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The most models tracked. The service's limits are per model.
const MAX_MODELS: usize = 64;
/// The longest time one response can hold calls back. The service's limits are per minute.
const MAX_HOLD: Duration = Duration::from_secs(60);

/// The time at which each model's calls may be sent again.
#[derive(Debug, Default)]
pub(crate) struct Pace(BTreeMap<String, Held>);

#[derive(Debug, Default)]
struct Held {
    /// The reset of each exhausted limit.
    limits: [Option<Instant>; LIMITS],
    /// The end of the wait that a 429 response asked for.
    asked: Option<Instant>,
}

impl Pace {
    /// Returns how long to hold back a call for `model`; zero if it may be sent now.
    pub(crate) fn wait(&self, model: &str, now: Instant) -> Duration {
        let until = self.0.get(model).and_then(Held::until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Records the head of a response for `model`. `is_limited`: the status was 429.
    pub(crate) fn record(&mut self, model: &str, head: &Head, is_limited: bool, now: Instant) {
        if !self.0.contains_key(model) && !self.has_room(now) {
            return;
        }
        let held = self.0.entry(model.to_owned()).or_default();
        for (until, left) in held.limits.iter_mut().zip(head.limits) {
            match left {
                Some(Left::Some) => *until = None,
                Some(Left::Nothing(wait)) => *until = Some(now + wait.min(MAX_HOLD)),
                None => {}
            }
        }
        if is_limited && let Some(wait) = head.retry_after {
            held.asked = Some(now + wait.min(MAX_HOLD));
        }
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.0.len() >= MAX_MODELS {
            self.0.retain(|_, held| held.until().is_some_and(|until| until > now));
        }
        self.0.len() < MAX_MODELS
    }
}

impl Held {
    fn until(&self) -> Option<Instant> {
        self.limits.iter().copied().chain([self.asked]).flatten().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn limits(limits: [Option<Left>; LIMITS]) -> Head {
        Head { limits, ..Head::default() }
    }

    fn nothing_s(s: u64) -> Option<Left> {
        Some(Left::Nothing(Duration::from_secs(s)))
    }

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn calls_wait_for_the_last_exhausted_limit() {
        let (mut pace, now) = (Pace::default(), clock::now());
        assert_eq!(pace.wait("m", now), secs(0));
        pace.record("m", &limits([Some(Left::Some), nothing_s(7), nothing_s(9), None]), false, now);
        assert_eq!(pace.wait("m", now), secs(9));
        assert_eq!(pace.wait("m", now + secs(8)), secs(1));
        assert_eq!(pace.wait("m", now + secs(9)), secs(0));
        assert_eq!(pace.wait("another", now), secs(0), "limits are per model");
    }

    #[test]
    fn later_values_replace_earlier_ones_and_missing_ones_keep_them() {
        let (mut pace, now) = (Pace::default(), clock::now());
        pace.record("m", &limits([nothing_s(7), nothing_s(9), None, None]), false, now);
        pace.record("m", &limits([None, Some(Left::Some), None, None]), false, now);
        assert_eq!(pace.wait("m", now), secs(7));
        pace.record("m", &limits([Some(Left::Some), None, None, None]), false, now);
        assert_eq!(pace.wait("m", now), secs(0));
    }

    #[test]
    fn a_429_holds_back_other_calls() {
        let (mut pace, now) = (Pace::default(), clock::now());
        let head = Head { retry_after: Some(secs(5)), ..Head::default() };
        pace.record("m", &head, false, now);
        assert_eq!(pace.wait("m", now), secs(0));
        pace.record("m", &head, true, now);
        assert_eq!(pace.wait("m", now), secs(5));
    }

    #[test]
    fn calls_are_held_back_for_at_most_a_minute() {
        let (mut pace, now) = (Pace::default(), clock::now());
        let head = Head { retry_after: Some(secs(3_600)), ..limits([nothing_s(u64::MAX); LIMITS]) };
        pace.record("m", &head, true, now);
        assert_eq!(pace.wait("m", now), secs(60));
    }

    #[test]
    fn the_table_is_bounded_and_drops_expired_entries() {
        let (mut pace, now) = (Pace::default(), clock::now());
        for model in 0..100 {
            pace.record(&model.to_string(), &limits([nothing_s(9); LIMITS]), false, now);
        }
        assert_eq!(pace.0.len(), MAX_MODELS);
        let later = now + secs(10);
        pace.record("new", &limits([nothing_s(9); LIMITS]), false, later);
        assert_eq!((pace.0.len(), pace.wait("new", later)), (1, secs(9)));
    }
}
