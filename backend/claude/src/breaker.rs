//! The breaker: when the service fails again and again it is not asked any more for a while, then
//! by one call at a time, until it answers. So an outage costs few calls their time-out.
//!
//! Pure: every `now` is passed in. Kept and asked by [`crate::shared`].

use crate::kind::{Consequence, Kind};
use std::time::Duration;
use tokio::time::Instant;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// So many failures in a row open it; at least 1.
    pub failures: u32,
    /// The first pause; it doubles each time that the service still fails.
    pub pause: Duration,
    /// The longest pause.
    pub max_pause: Duration,
    /// The first pause where a human has to do something: no key, no money.
    pub trip_pause: Duration,
    /// The longest of these.
    pub max_trip_pause: Duration,
}

impl Default for BreakerSettings {
    /// 5 failures; 1 s to 30 s; 60 s to 10 min.
    fn default() -> Self {
        Self {
            failures: 5,
            pause: Duration::from_secs(1),
            max_pause: Duration::from_secs(30),
            trip_pause: Duration::from_secs(60),
            max_trip_pause: Duration::from_secs(600),
        }
    }
}

/// The service's health, judged by the last calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers, as far as is known.
    Up,
    /// It does not answer.
    Down {
        /// The error of the last failed call.
        because: Kind,
        /// How long calls are held back. Zero once the next call may probe, or one is probing.
        retry_after: Duration,
    },
}

/// The state of a breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// How often it has opened so far. Calls let through before the last time have no say.
    openings: u64,
    /// How often it has opened since it was last closed.
    openings_in_a_row: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { because: Kind, until: Instant, is_probed: bool },
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    openings: u64,
    is_probe: bool,
}

/// Why none is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What opened the breaker.
    pub(crate) because: Kind,
    /// How long it will refuse; zero while a probe is under way.
    pub(crate) retry_after: Duration,
}

impl Breaker {
    pub(crate) const fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed { failures: 0 }, openings: 0, openings_in_a_row: 0 }
    }

    /// Lets a call through, or not. What became of it is to be told, or the ticket given back.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Ticket, Refused> {
        let is_probe = match &mut self.state {
            State::Closed { .. } => false,
            State::Open { because, until, is_probed } => {
                if *until > now || *is_probed {
                    return Err(Refused::at(now, *because, *until));
                }
                *is_probed = true;
                true
            }
        };
        Ok(Ticket { openings: self.openings, is_probe })
    }

    /// What a call would be told now; `None` while it is closed.
    pub(crate) fn refusal(&self, now: Instant) -> Option<Refused> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { because, until, .. } => Some(Refused::at(now, because, until)),
        }
    }

    /// Whether it lets no call through but probes.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// How often it has opened so far.
    pub(crate) const fn openings(&self) -> u64 {
        self.openings
    }

    /// A call is being answered. If that was the probe, others are let through; the first that
    /// fails opens it again.
    pub(crate) fn answering(&mut self, ticket: Ticket) {
        if self.is_of_now(ticket) && ticket.is_probe && self.is_open() {
            self.state = State::Closed { failures: self.settings.failures.saturating_sub(1) };
        }
    }

    /// A call was answered.
    pub(crate) fn succeeded(&mut self, ticket: Ticket) {
        if self.is_of_now(ticket) {
            self.state = State::Closed { failures: 0 };
            self.openings_in_a_row = 0;
        }
    }

    /// A call failed.
    pub(crate) fn failed(&mut self, ticket: Ticket, kind: Kind, now: Instant) {
        match kind.consequence() {
            Consequence::None => self.succeeded(ticket),
            Consequence::Unknown => self.given_back(ticket),
            Consequence::Trip => self.trip(kind, now),
            Consequence::Failure if self.is_of_now(ticket) => self.count(kind, now),
            Consequence::Failure => {}
        }
    }

    /// Nobody waits for the call any more: nothing was learnt.
    pub(crate) fn given_back(&mut self, ticket: Ticket) {
        if let State::Open { is_probed, .. } = &mut self.state
            && ticket.is_probe
            && ticket.openings == self.openings
        {
            *is_probed = false;
        }
    }

    fn count(&mut self, kind: Kind, now: Instant) {
        let failures = match self.state {
            State::Closed { failures } => failures.saturating_add(1),
            State::Open { .. } => self.settings.failures,
        };
        self.state = State::Closed { failures };
        if failures >= self.settings.failures {
            let BreakerSettings { pause, max_pause, .. } = self.settings;
            self.open(kind, now, pause, max_pause);
        }
    }

    /// Calls that were under way together may all be told: that is one opening.
    fn trip(&mut self, kind: Kind, now: Instant) {
        let is_tripped = matches!(
            self.state,
            State::Open { because, until, is_probed: false }
                if because.consequence() == Consequence::Trip && until > now
        );
        if !is_tripped {
            let BreakerSettings { trip_pause, max_trip_pause, .. } = self.settings;
            self.open(kind, now, trip_pause, max_trip_pause);
        }
    }

    fn open(&mut self, because: Kind, now: Instant, pause: Duration, max_pause: Duration) {
        let times = 2_u32.saturating_pow(self.openings_in_a_row);
        let until = now + pause.saturating_mul(times).min(max_pause);
        self.state = State::Open { because, until, is_probed: false };
        self.openings = self.openings.saturating_add(1);
        self.openings_in_a_row = self.openings_in_a_row.saturating_add(1);
    }

    const fn is_of_now(&self, ticket: Ticket) -> bool {
        ticket.openings == self.openings
    }
}

impl Refused {
    fn at(now: Instant, because: Kind, until: Instant) -> Self {
        Self { because, retry_after: until.saturating_duration_since(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SETTINGS: BreakerSettings = BreakerSettings {
        failures: 3,
        pause: Duration::from_secs(1),
        max_pause: Duration::from_secs(3),
        trip_pause: Duration::from_secs(60),
        max_trip_pause: Duration::from_secs(100),
    };

    /// A breaker and a clock that is moved by hand.
    struct Bench {
        breaker: Breaker,
        now: Instant,
    }

    fn bench() -> Bench {
        Bench { breaker: Breaker::new(SETTINGS), now: clock::now() }
    }

    impl Bench {
        fn admit(&mut self) -> Ticket {
            self.breaker.admit(self.now).expect("a call that is let through")
        }

        /// For how long calls are refused, in ms; `None` where they are not.
        fn refused_ms(&mut self) -> Option<u128> {
            let refused =
                self.breaker.admit(self.now).map(|ticket| self.breaker.given_back(ticket));
            refused.err().map(|refused| refused.retry_after.as_millis())
        }

        fn fail(&mut self, kind: Kind) {
            let ticket = self.admit();
            self.breaker.failed(ticket, kind, self.now);
        }

        fn open(mut self) -> Self {
            for _ in 0..SETTINGS.failures {
                self.fail(Kind::Overloaded);
            }
            self
        }

        fn wait(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut bench = bench();
        for _ in 0..5 {
            bench.fail(Kind::Connect);
            bench.fail(Kind::TimedOut);
            let ticket = bench.admit();
            bench.breaker.succeeded(ticket);
        }
        assert!(!bench.breaker.is_open());
        let bench = bench.open();
        assert!(bench.breaker.is_open());
    }

    #[test]
    fn what_is_the_requests_own_fault_is_no_failure_of_the_service() {
        let own = [
            Kind::InvalidRequest,
            Kind::NotFound,
            Kind::Conflict,
            Kind::RequestTooLarge,
            Kind::RateLimited,
            Kind::OtherStatus,
            Kind::AnswerTooLarge,
        ];
        for kind in own {
            let mut bench = bench();
            bench.fail(Kind::Overloaded);
            bench.fail(Kind::Overloaded);
            bench.fail(kind);
            bench.fail(Kind::Overloaded);
            bench.fail(Kind::Overloaded);
            assert!(!bench.breaker.is_open(), "{kind:?}");
        }
    }

    #[test]
    fn an_open_one_lets_one_call_through_when_its_pause_is_over() {
        let mut bench = bench().open();
        assert_eq!(bench.refused_ms(), Some(1_000));
        bench.wait(999);
        assert_eq!(bench.refused_ms(), Some(1));
        bench.wait(1);
        let probe = bench.admit();
        assert_eq!(bench.refused_ms(), Some(0), "one at a time");
        bench.breaker.succeeded(probe);
        assert_eq!(bench.refused_ms(), None);
        assert!(!bench.breaker.is_open());
    }

    #[test]
    fn a_probe_that_nobody_waits_for_makes_room_for_another() {
        let mut bench = bench().open();
        bench.wait(1_000);
        let probe = bench.admit();
        bench.breaker.given_back(probe);
        assert_eq!(bench.refused_ms(), None);
    }

    #[test]
    fn the_pause_doubles_up_to_its_bound_and_starts_anew_after_an_answer() {
        let mut bench = bench().open();
        for pause_ms in [1_000, 2_000, 3_000, 3_000] {
            assert_eq!(bench.refused_ms(), Some(pause_ms));
            bench.wait(u64::try_from(pause_ms).unwrap());
            bench.fail(Kind::TimedOut);
        }
        bench.wait(3_000);
        let probe = bench.admit();
        bench.breaker.succeeded(probe);
        assert_eq!(bench.open().refused_ms(), Some(1_000));
    }

    #[test]
    fn an_answer_that_begins_lets_others_through_and_one_that_breaks_off_ends_that() {
        let mut bench = bench().open();
        bench.wait(1_000);
        let probe = bench.admit();
        bench.breaker.answering(probe);
        let other = bench.admit();
        bench.breaker.failed(probe, Kind::Broken, bench.now);
        assert_eq!(bench.refused_ms(), Some(2_000));
        bench.breaker.succeeded(other);
        assert_eq!(bench.refused_ms(), Some(2_000), "it was let through before");
    }

    #[test]
    fn what_comes_late_of_calls_from_before_changes_nothing() {
        let mut bench = bench();
        let (one, other) = (bench.admit(), bench.admit());
        let mut bench = bench.open();
        bench.breaker.succeeded(one);
        bench.breaker.failed(other, Kind::Overloaded, bench.now);
        assert_eq!(bench.refused_ms(), Some(1_000));
        bench.breaker.given_back(other);
        bench.wait(1_000);
        let _probe = bench.admit();
        bench.breaker.given_back(other);
        assert_eq!(bench.refused_ms(), Some(0), "the probe is another's");
    }

    #[test]
    fn a_probe_of_an_opening_before_makes_no_room_in_the_next() {
        let mut bench = bench();
        let late = bench.admit();
        let mut bench = bench.open();
        bench.wait(1_000);
        let old_probe = bench.admit();
        bench.breaker.failed(late, Kind::SpendLimit, bench.now);
        bench.wait(100_000);
        let _probe = bench.admit();
        bench.breaker.given_back(old_probe);
        assert_eq!(bench.refused_ms(), Some(0), "one at a time");
    }

    #[test]
    fn what_only_a_human_can_mend_opens_it_at_once_and_for_longer() {
        for kind in [Kind::Authentication, Kind::Billing, Kind::Permission, Kind::SpendLimit] {
            let mut bench = bench();
            let late = bench.admit();
            bench.fail(kind);
            assert_eq!(bench.refused_ms(), Some(60_000), "{kind:?}");
            assert_eq!(bench.breaker.refusal(bench.now).unwrap().because, kind);
            bench.wait(10_000);
            bench.breaker.failed(late, kind, bench.now);
            assert_eq!(bench.refused_ms(), Some(50_000), "that is one opening");
            bench.wait(50_000);
            bench.fail(kind);
            assert_eq!(bench.refused_ms(), Some(100_000), "no longer than its bound");
        }
    }

    #[test]
    fn a_spent_limit_is_told_though_it_is_open_for_another_reason() {
        let mut bench = bench();
        let late = bench.admit();
        let mut bench = bench.open();
        bench.breaker.failed(late, Kind::SpendLimit, bench.now);
        assert_eq!(bench.breaker.refusal(bench.now).unwrap().because, Kind::SpendLimit);
    }
}
