//! Notices a shim that has never answered. A mistake in the configuration is the usual cause: the
//! cluster does not exist, leads elsewhere, or refuses the calls. Called by `reply` and `give_up`.

use super::timer::Timer;

/// The number of failed calls before the first warning: as many as open the breaker.
const FAILURES_TO_WARN: u64 = 3;
/// The pause between warnings, in ms.
const WARN_EVERY_MS: u64 = 10_000;

/// The contact of one worker with the shim.
#[derive(Debug, Default)]
pub(super) struct Contact {
    has_answered: bool,
    failures: u64,
    rests: Option<Timer>,
}

impl Contact {
    /// Records the outcome of a call. Returns true if that changed [`Self::is_missing`].
    pub(super) fn record(&mut self, ok: bool) -> bool {
        let was_missing = self.is_missing();
        self.has_answered |= ok;
        self.failures = self.failures.saturating_add(u64::from(!ok));
        was_missing != self.is_missing()
    }

    /// Returns true if several calls have failed and none was ever answered. The breaker is open
    /// then, so that a probe notices when the shim answers.
    pub(super) const fn is_missing(&self) -> bool {
        !self.has_answered && self.failures >= FAILURES_TO_WARN
    }

    /// Returns the number of failed calls if it is time to warn of them.
    pub(super) fn take_warning(&mut self, now_ms: u64) -> Option<u64> {
        let is_due = self.rests.is_none_or(|rests| rests.is_due(now_ms));
        if !self.is_missing() || !is_due {
            return None;
        }
        self.rests = Some(Timer::after(now_ms, WARN_EVERY_MS));
        Some(self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_that_never_answers_is_warned_of_repeatedly() {
        let mut contact = Contact::default();
        assert!(!contact.record(false) && !contact.record(false), "it may be starting");
        assert_eq!(contact.take_warning(1_000), None);
        assert!(contact.record(false) && contact.is_missing());
        assert_eq!(contact.take_warning(1_000), Some(3));
        assert_eq!(contact.take_warning(10_999), None);
        contact.record(false);
        assert_eq!(contact.take_warning(11_000), Some(4));
        assert_eq!(contact.take_warning(0), Some(4), "the clock stepped back");
    }

    #[test]
    fn one_answer_ends_the_warnings() {
        let mut contact = Contact::default();
        for _ in 0..3 {
            contact.record(false);
        }
        assert!(contact.record(true));
        assert!(!contact.is_missing());
        assert!(!contact.record(false), "an outage");
        assert_eq!(contact.take_warning(99_000), None);
    }
}
