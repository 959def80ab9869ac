//! The only file of this crate that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time that a test has set, in Unix µs; 0 while time is real.
#[cfg(feature = "simulated")]
static SIMULATED_US: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Sets the time for a test.
#[cfg(feature = "simulated")]
pub(crate) fn simulate(now_us: u64) {
    SIMULATED_US.store(now_us, std::sync::atomic::Ordering::SeqCst);
}

/// Returns the time that a test has set.
#[cfg(feature = "simulated")]
pub(crate) fn simulated_us() -> Option<u64> {
    Some(SIMULATED_US.load(std::sync::atomic::Ordering::SeqCst)).filter(|now_us| *now_us > 0)
}

/// Returns the system time, in Unix µs.
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub(crate) fn now_us() -> u64 {
    #[cfg(feature = "simulated")]
    if let Some(now_us) = simulated_us() {
        return now_us;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
