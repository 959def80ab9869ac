//! How far it is to midnight in UTC, when quotas of a day begin anew: the only file here that reads
//! the time of day. [`crate::gateway`] and [`crate::shim`] keep away from it.

use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;
/// A test of a day's quota takes less.
const ROOM_S: u64 = 120;

/// Waits until enough is left of the day for a test of its quota to end before it does.
///
/// # Panics
/// Where the clock stands before 1970.
pub fn keep_away() {
    while seconds_left() < ROOM_S {
        sleep(Duration::from_secs(1));
    }
}

/// How much is left of the day.
///
/// # Panics
/// Where the clock stands before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the time of day")]
pub fn seconds_left() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    DAY_S - since.expect("a clock that is set").as_secs() % DAY_S
}
