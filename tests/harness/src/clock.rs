//! The only file in this crate that reads the clock.

use std::time::{Duration, Instant};

/// A point in time at which to stop waiting.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    end: Instant,
    length: Duration,
}

impl Deadline {
    /// Creates a deadline `length` from now.
    #[must_use]
    pub fn after(length: Duration) -> Self {
        Self { end: now() + length, length }
    }

    /// Returns true once the deadline has passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        now() >= self.end
    }

    /// Returns the duration that the deadline was created with.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }
}

/// Measures elapsed time.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self(now())
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "this file is where the crate reads the clock")]
fn now() -> Instant {
    Instant::now()
}
