//! The only file that reads a clock; everything else is handed the time.

use jiff::Timestamp;
use std::time::Instant;

/// The time of day.
#[must_use]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// A moment to measure a length of time from.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
