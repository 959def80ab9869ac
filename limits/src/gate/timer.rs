//! A time to wait for, by a clock that may step.

/// A time to wait for.
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

    /// Returns true if it is due. It also is if it is further away than it ever was: the clock has then
    /// stepped back, and waiting on would take as long as the step.
    pub(super) const fn is_due(self, now_ms: u64) -> bool {
        self.at_ms <= now_ms || self.at_ms - now_ms > self.wait_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_when_it_has_passed_and_when_the_clock_has_stepped_back() {
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
