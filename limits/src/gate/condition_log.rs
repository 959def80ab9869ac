//! Logs the failures of CEL conditions, at most one line per second. Called by `arrive`.

/// The shortest time between two lines, in ms.
const INTERVAL_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct ConditionLog {
    /// The first failure since the last line.
    first: Option<String>,
    /// The number of failures since the last line.
    failures: u64,
    logged_ms: u64,
}

impl ConditionLog {
    /// Records a failure.
    pub(super) fn note(&mut self, error: String) {
        self.first.get_or_insert(error);
        self.failures += 1;
    }

    /// Returns the line to log now.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<String> {
        if now_ms.abs_diff(self.logged_ms) < INTERVAL_MS {
            return None;
        }
        let first = self.first.take()?;
        self.logged_ms = now_ms;
        match std::mem::take(&mut self.failures) {
            1 => Some(first),
            failures => Some(format!("{first}; {} more conditions failed", failures - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_summarized_once_a_second() {
        let mut log = ConditionLog::default();
        assert_eq!(log.take(5_000), None);
        log.note("a".to_owned());
        assert_eq!(log.take(5_000).as_deref(), Some("a"));
        log.note("b".to_owned());
        log.note("c".to_owned());
        assert_eq!(log.take(5_999), None);
        assert_eq!(log.take(6_000).as_deref(), Some("b; 1 more conditions failed"));
        assert_eq!(log.take(7_000), None);
    }
}
