//! The only file that reads a clock; everything else is handed the time.

use jiff::Timestamp;
use tokio::time::Instant;

/// A moment to measure a length of time from. It is tokio's: a test can make it stand still.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time of day.
pub(crate) fn today() -> Timestamp {
    Timestamp::now()
}
