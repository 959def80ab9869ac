//! The only file that reads a clock. Everything else is passed the time.

use jiff::Timestamp;
use std::time::Instant;

/// Returns the wall-clock time.
#[must_use]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Returns the monotonic time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
