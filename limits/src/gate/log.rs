//! Logs denials in the gateway's log, with bucket, rule and wait, and refused tokens. Bounded to a
//! few lines per second, however many requests are refused. Called by `finish` and `arrive`.

/// The most lines of one kind that one worker logs per second.
const MAX_IN_SECOND: u32 = 5;
const SECOND_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct BoundedLog {
    /// The lines' content, in the plural.
    what: &'static str,
    lines: Vec<String>,
    second: u64,
    logged: u32,
    unlogged: u64,
}

impl BoundedLog {
    pub(super) fn of(what: &'static str) -> Self {
        Self { what, ..Self::default() }
    }

    /// Records an event. Returns true if it will be logged as a line.
    pub(super) fn note(&mut self, now_ms: u64, line: impl FnOnce() -> String) -> bool {
        self.rotate(now_ms);
        let logs = self.logged < MAX_IN_SECOND;
        if logs {
            self.logged += 1;
            self.lines.push(line());
        } else {
            self.unlogged += 1;
        }
        logs
    }

    /// Returns the lines to log now.
    pub(super) fn take(&mut self, now_ms: u64) -> Vec<String> {
        self.rotate(now_ms);
        std::mem::take(&mut self.lines)
    }

    fn rotate(&mut self, now_ms: u64) {
        if self.second == now_ms / SECOND_MS {
            return;
        }
        self.second = now_ms / SECOND_MS;
        self.logged = 0;
        let unlogged = std::mem::take(&mut self.unlogged);
        if unlogged > 0 {
            self.lines.push(format!("{unlogged} more {} within a second", self.what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_summarized() {
        let mut log = BoundedLog::of("denials");
        let logged = (0..100).filter(|at| log.note(1_500, || format!("denial {at}"))).count();
        assert_eq!(logged, 5);
        assert_eq!(log.take(1_999).len(), 5);
        assert_eq!(log.take(2_000), ["95 more denials within a second"]);
        assert!(log.note(2_001, || "another".to_owned()));
        assert_eq!(log.take(9_000), ["another"]);
    }
}
