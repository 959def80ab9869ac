//! Pacing: while the service says that nothing is left of a limit, or asks to wait, no call for that
//! model is sent.
//!
//! Pure: every `now` is passed in. Kept and asked by [`crate::shared`].

use crate::head::{Head, LIMITS, Left};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The most models that are kept account of. Limits are counted by model.
const MAX_MODELS: usize = 64;
/// The longest that one response can hold calls back: the service counts by the minute.
const MAX_HOLD: Duration = Duration::from_secs(60);

/// When calls for each model can be sent again.
#[derive(Debug, Default)]
pub(crate) struct Pace(BTreeMap<String, Held>);

#[derive(Debug, Default)]
struct Held {
    /// By the limits.
    limits: [Option<Instant>; LIMITS],
    /// By what a refusal asked for.
    asked: Option<Instant>,
}

impl Pace {
    /// How long until a call for `model` can be sent; zero: now.
    pub(crate) fn wait(&self, model: &str, now: Instant) -> Duration {
        let until = self.0.get(model).and_then(Held::until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// A call for `model` was answered with this head; `is_limited`: refused for its number.
    pub(crate) fn told(&mut self, model: &str, head: &Head, is_limited: bool, now: Instant) {
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
    fn calls_wait_for_the_last_of_the_limits_that_are_used_up() {
        let (mut pace, now) = (Pace::default(), clock::now());
        assert_eq!(pace.wait("m", now), secs(0));
        pace.told("m", &limits([Some(Left::Some), nothing_s(7), nothing_s(9), None]), false, now);
        assert_eq!(pace.wait("m", now), secs(9));
        assert_eq!(pace.wait("m", now + secs(8)), secs(1));
        assert_eq!(pace.wait("m", now + secs(9)), secs(0));
        assert_eq!(pace.wait("another", now), secs(0), "limits are counted by model");
    }

    #[test]
    fn what_is_told_later_counts_and_what_is_not_told_stays() {
        let (mut pace, now) = (Pace::default(), clock::now());
        pace.told("m", &limits([nothing_s(7), nothing_s(9), None, None]), false, now);
        pace.told("m", &limits([None, Some(Left::Some), None, None]), false, now);
        assert_eq!(pace.wait("m", now), secs(7));
        pace.told("m", &limits([Some(Left::Some), None, None, None]), false, now);
        assert_eq!(pace.wait("m", now), secs(0));
    }

    #[test]
    fn a_refusal_for_the_number_holds_the_others_back() {
        let (mut pace, now) = (Pace::default(), clock::now());
        let head = Head { retry_after: Some(secs(5)), ..Head::default() };
        pace.told("m", &head, false, now);
        assert_eq!(pace.wait("m", now), secs(0));
        pace.told("m", &head, true, now);
        assert_eq!(pace.wait("m", now), secs(5));
    }

    #[test]
    fn no_response_holds_for_longer_than_a_minute() {
        let (mut pace, now) = (Pace::default(), clock::now());
        let head = Head { retry_after: Some(secs(3_600)), ..limits([nothing_s(u64::MAX); LIMITS]) };
        pace.told("m", &head, true, now);
        assert_eq!(pace.wait("m", now), secs(60));
    }

    #[test]
    fn the_table_is_bounded_and_makes_room_by_what_is_over() {
        let (mut pace, now) = (Pace::default(), clock::now());
        for model in 0..100 {
            pace.told(&model.to_string(), &limits([nothing_s(9); LIMITS]), false, now);
        }
        assert_eq!(pace.0.len(), MAX_MODELS);
        let later = now + secs(10);
        pace.told("new", &limits([nothing_s(9); LIMITS]), false, later);
        assert_eq!((pace.0.len(), pace.wait("new", later)), (1, secs(9)));
    }
}
