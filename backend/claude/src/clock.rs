//! The only file that reads a clock. Everything else is passed the time.

use jiff::Timestamp;
use tokio::time::Instant;

/// Returns the monotonic time. It is tokio's, so a test can pause it.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Returns the wall-clock time.
pub(crate) fn today() -> Timestamp {
    Timestamp::now()
}
