//! The circuit breaker. After repeated failures it holds back all calls for a while, then lets one
//! probe through at a time until the service answers. An outage thus costs only a few calls their
//! timeout.
//!
//! Pure: every `now` is passed in. Owned by [`crate::shared`].

use crate::kind::{Consequence, Kind};
use std::time::Duration;
use tokio::time::Instant;

/// Thresholds and pauses of the circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// The number of consecutive failures that open it; at least 1.
    pub failures: u32,
    /// The first pause. It doubles each time a probe fails.
    pub pause: Duration,
    /// The longest pause.
    pub max_pause: Duration,
    /// The first pause after an error that only a human can fix, like a bad key or an unpaid bill.
    pub trip_pause: Duration,
    /// The longest pause after an error that only a human can fix.
    pub max_trip_pause: Duration,
}

impl Default for BreakerSettings {
    /// Returns the defaults: 5 failures, pauses from 1 s to 30 s, and from 60 s to 10 min for
    /// errors that only a human can fix.
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

/// The service's health, judged by the latest calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The service answers, as far as is known.
    Up,
    /// The service does not answer.
    Down {
        /// The error of the last failed call.
        because: Kind,
        /// The time for which calls are held back. Zero if the next call may probe, or a probe is
        /// running.
        retry_after: Duration,
    },
}

/// The circuit breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// The number of times it has opened. Results of calls admitted before the last opening are
    /// ignored.
    openings: u64,
    /// The number of times it has opened since the last success.
    openings_in_a_row: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { because: Kind, until: Instant, is_probed: bool },
}

/// Identifies an admitted call when its result is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    openings: u64,
    is_probe: bool,
}

/// The reason and duration of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The failure that opened the breaker.
    pub(crate) because: Kind,
    /// The time until the next probe; zero while one is running.
    pub(crate) retry_after: Duration,
}

impl Breaker {
    pub(crate) const fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed { failures: 0 }, openings: 0, openings_in_a_row: 0 }
    }

    /// Admits or refuses a call. The caller must report the result or give the ticket back.
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

    /// Returns the refusal for a call made now, or `None` while the breaker is closed.
    pub(crate) fn refusal(&self, now: Instant) -> Option<Refused> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { because, until, .. } => Some(Refused::at(now, because, until)),
        }
    }

    /// Returns true while only probes are admitted.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Returns the number of times it has opened.
    pub(crate) const fn openings(&self) -> u64 {
        self.openings
    }

    /// Reports that a call's answer has begun. If the call was the probe, others are admitted
    /// again; the first failure among them reopens the breaker.
    pub(crate) fn answering(&mut self, ticket: Ticket) {
        if self.is_current(ticket) && ticket.is_probe && self.is_open() {
            self.state = State::Closed { failures: self.settings.failures.saturating_sub(1) };
        }
    }

    /// Reports a complete answer.
    pub(crate) fn succeeded(&mut self, ticket: Ticket) {
        if self.is_current(ticket) {
            self.state = State::Closed { failures: 0 };
            self.openings_in_a_row = 0;
        }
    }

    /// Reports a failed call.
    pub(crate) fn failed(&mut self, ticket: Ticket, kind: Kind, now: Instant) {
        match kind.consequence() {
            Consequence::None => self.succeeded(ticket),
            Consequence::Unknown => self.given_back(ticket),
            Consequence::Trip => self.trip(kind, now),
            Consequence::Failure if self.is_current(ticket) => self.count(kind, now),
            Consequence::Failure => {}
        }
    }

    /// Reports an abandoned call, which says nothing about the service.
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

    /// Opens the breaker at once. Several calls in flight can hit the same error; they count as one
    /// opening.
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

    const fn is_current(&self, ticket: Ticket) -> bool {
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

    /// A breaker and a manually advanced clock.
    struct Bench {
        breaker: Breaker,
        now: Instant,
    }

    fn bench() -> Bench {
        Bench { breaker: Breaker::new(SETTINGS), now: clock::now() }
    }

    impl Bench {
        fn admit(&mut self) -> Ticket {
            self.breaker.admit(self.now).expect("the breaker should admit the call")
        }

        /// Returns for how long calls are refused, in ms; `None` if they are admitted.
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
    fn client_errors_do_not_count_as_service_failures() {
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
    fn after_the_pause_one_probe_is_admitted() {
        let mut bench = bench().open();
        assert_eq!(bench.refused_ms(), Some(1_000));
        bench.wait(999);
        assert_eq!(bench.refused_ms(), Some(1));
        bench.wait(1);
        let probe = bench.admit();
        assert_eq!(bench.refused_ms(), Some(0), "one probe at a time");
        bench.breaker.succeeded(probe);
        assert_eq!(bench.refused_ms(), None);
        assert!(!bench.breaker.is_open());
    }

    #[test]
    fn an_abandoned_probe_makes_room_for_another() {
        let mut bench = bench().open();
        bench.wait(1_000);
        let probe = bench.admit();
        bench.breaker.given_back(probe);
        assert_eq!(bench.refused_ms(), None);
    }

    #[test]
    fn the_pause_doubles_up_to_its_maximum_and_resets_after_an_answer() {
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
    fn a_begun_answer_admits_others_until_it_breaks_off() {
        let mut bench = bench().open();
        bench.wait(1_000);
        let probe = bench.admit();
        bench.breaker.answering(probe);
        let other = bench.admit();
        bench.breaker.failed(probe, Kind::Broken, bench.now);
        assert_eq!(bench.refused_ms(), Some(2_000));
        bench.breaker.succeeded(other);
        assert_eq!(bench.refused_ms(), Some(2_000), "it was admitted before the last opening");
    }

    #[test]
    fn late_results_from_before_an_opening_are_ignored() {
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
        assert_eq!(bench.refused_ms(), Some(0), "another call is the probe");
    }

    #[test]
    fn an_earlier_openings_probe_makes_no_room_in_the_next() {
        let mut bench = bench();
        let late = bench.admit();
        let mut bench = bench.open();
        bench.wait(1_000);
        let old_probe = bench.admit();
        bench.breaker.failed(late, Kind::SpendLimit, bench.now);
        bench.wait(100_000);
        let _probe = bench.admit();
        bench.breaker.given_back(old_probe);
        assert_eq!(bench.refused_ms(), Some(0), "one probe at a time");
    }

    #[test]
    fn errors_that_only_a_human_can_fix_open_it_at_once_and_for_longer() {
        for kind in [Kind::Authentication, Kind::Billing, Kind::Permission, Kind::SpendLimit] {
            let mut bench = bench();
            let late = bench.admit();
            bench.fail(kind);
            assert_eq!(bench.refused_ms(), Some(60_000), "{kind:?}");
            assert_eq!(bench.breaker.refusal(bench.now).unwrap().because, kind);
            bench.wait(10_000);
            bench.breaker.failed(late, kind, bench.now);
            assert_eq!(bench.refused_ms(), Some(50_000), "both count as one opening");
            bench.wait(50_000);
            bench.fail(kind);
            assert_eq!(bench.refused_ms(), Some(100_000), "capped at the maximum");
        }
    }

    #[test]
    fn a_spend_limit_replaces_another_reason_for_being_open() {
        let mut bench = bench();
        let late = bench.admit();
        let mut bench = bench.open();
        bench.breaker.failed(late, Kind::SpendLimit, bench.now);
        assert_eq!(bench.breaker.refusal(bench.now).unwrap().because, Kind::SpendLimit);
    }
}
