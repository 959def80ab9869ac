//! A timer for a clock that can step.

/// A deadline, and the wait it was set with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timer {
    at_ms: u64,
    wait_ms: u64,
}

impl Timer {
    /// Creates a timer that is due `wait_ms` after `now_ms`.
    pub(super) const fn after(now_ms: u64, wait_ms: u64) -> Self {
        Self { at_ms: now_ms.saturating_add(wait_ms), wait_ms }
    }

    /// Returns true if the timer is due. Also true if it is further away than its full wait: the
    /// clock has stepped back, and waiting on would take as long as the step.
    pub(super) const fn is_due(self, now_ms: u64) -> bool {
        self.at_ms <= now_ms || self.at_ms - now_ms > self.wait_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_when_reached_or_when_the_clock_steps_back() {
        let timer = Timer::after(10_000, 500);
        for (now_ms, due) in [
            (10_000, false),
            (10_499, false),
            (10_500, true),
            (99_999, true),
            (9_999, true),
            (0, true),
        ] {
            assert_eq!(timer.is_due(now_ms), due, "{now_ms}");
        }
    }
}
