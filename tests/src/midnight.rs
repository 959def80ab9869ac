//! Avoids midnight UTC, when daily quotas reset. This is the only file here that reads the time of
//! day. Called by [`crate::gateway`] and [`crate::shim`].

use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;
/// Longer than any test of a daily quota takes.
const MARGIN_S: u64 = 120;

/// Waits for the next day if the current one ends too soon for a test of a daily quota.
///
/// # Panics
/// Panics if the clock is set before 1970.
pub fn wait_if_near() {
    while seconds_left() < MARGIN_S {
        sleep(Duration::from_secs(1));
    }
}

/// Returns the seconds left until midnight UTC.
///
/// # Panics
/// Panics if the clock is set before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one file that reads the time of day")]
pub fn seconds_left() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    DAY_S - since.expect("a clock set after 1970").as_secs() % DAY_S
}
