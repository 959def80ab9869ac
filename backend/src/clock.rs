//! The only module that reads a clock. Everything else takes the time as an argument.

use jiff::Timestamp;
use std::time::Instant;

/// Returns the current time.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Returns an instant for measuring elapsed time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub fn start() -> Instant {
    Instant::now()
}
