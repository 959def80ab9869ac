//! The circuit breaker: after repeated failures the ledger is only probed, so that an outage costs
//! only the first few requests their timeout. Called by `ready`, `reply` and `give_up`.

use super::timer::Timer;

/// The number of consecutive failed calls that opens the breaker.
const FAILURES_TO_OPEN: u32 = 3;
/// The pause between a failure and the next probe, in ms.
pub(super) const PROBE_EVERY_MS: u64 = 500;

#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
enum Open {
    /// No probe until this is due.
    Resting(Timer),
    /// A probe is under way; it counts as lost once `lost` is due.
    Probing { lost: Timer },
}

impl Breaker {
    /// Returns true if requests must not be sent to the ledger.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Records that a call was answered.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Records that a call failed. Returns true if that opened the breaker.
    pub(super) fn failed(&mut self, now_ms: u64) -> bool {
        self.failures = self.failures.saturating_add(1);
        let opens = self.open.is_none() && self.failures >= FAILURES_TO_OPEN;
        if opens {
            self.open = Some(resting(now_ms));
        }
        opens
    }

    /// Returns true if a probe must be sent now. The breaker then treats it as under way, and as
    /// lost after `lost_after_ms`.
    pub(super) fn take_probe(&mut self, now_ms: u64, lost_after_ms: u64) -> bool {
        let due = match self.open {
            None => false,
            Some(Open::Resting(until) | Open::Probing { lost: until }) => until.is_due(now_ms),
        };
        if due {
            self.open = Some(Open::Probing { lost: Timer::after(now_ms, lost_after_ms) });
        }
        due
    }

    /// Records that a probe was answered (`ok`) or failed. Returns true if that closed the breaker.
    /// The next failed call opens it again.
    pub(super) fn probed(&mut self, now_ms: u64, ok: bool) -> bool {
        if !matches!(self.open, Some(Open::Probing { .. })) {
            return false;
        }
        self.open = (!ok).then(|| resting(now_ms));
        self.failures = FAILURES_TO_OPEN - 1;
        ok
    }
}

fn resting(now_ms: u64) -> Open {
    Open::Resting(Timer::after(now_ms, PROBE_EVERY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_consecutive_failures_open_the_breaker() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(0) && !breaker.failed(0));
        breaker.succeeded();
        assert!(!breaker.failed(0) && !breaker.failed(0));
        assert!(breaker.failed(0));
        assert!(breaker.is_open());
        assert!(!breaker.failed(0), "already open");
    }

    fn open_at(now_ms: u64) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_TO_OPEN {
            breaker.failed(now_ms);
        }
        breaker
    }

    #[test]
    fn an_open_breaker_probes_until_a_probe_is_answered() {
        let mut breaker = open_at(1_000);
        assert!(!breaker.take_probe(1_499, 1_000));
        assert!(breaker.take_probe(1_500, 1_000));
        assert!(!breaker.take_probe(2_499, 1_000), "one at a time");
        assert!(breaker.take_probe(2_500, 1_000), "a lost probe is sent again");
        assert!(!breaker.probed(2_600, false));
        assert!(!breaker.take_probe(3_099, 1_000));
        assert!(breaker.take_probe(3_100, 1_000));
        assert!(breaker.probed(3_101, true));
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_clock_stepping_back_does_not_keep_the_breaker_open() {
        let mut breaker = open_at(1_000_000);
        assert!(breaker.take_probe(1_000, 1_000), "the rest would have lasted a thousand seconds");
        assert!(!breaker.take_probe(1_999, 1_000));
        assert!(breaker.take_probe(500, 1_000), "so would the probe");
    }

    #[test]
    fn an_unsolicited_probe_reply_does_not_close_the_breaker() {
        let mut breaker = open_at(0);
        assert!(!breaker.probed(1, true), "no probe was sent");
        assert!(breaker.is_open());
    }

    #[test]
    fn one_failure_after_a_probe_reopens_the_breaker() {
        let mut breaker = open_at(0);
        assert!(breaker.take_probe(500, 1_000) && breaker.probed(501, true));
        assert!(breaker.failed(502));
    }
}
