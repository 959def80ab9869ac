//! The only file of this crate that reads the time.

use std::time::{Duration, Instant};

/// A point in time after which waiting has no sense.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    end: Instant,
    length: Duration,
}

impl Deadline {
    /// The deadline that comes after `length`.
    #[must_use]
    pub fn after(length: Duration) -> Self {
        Self { end: now() + length, length }
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        now() >= self.end
    }

    /// How long it was from the start.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }
}

/// Measures how long something took.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self(now())
    }

    /// How long ago it was started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "this file is where the crate reads the clock")]
fn now() -> Instant {
    Instant::now()
}
