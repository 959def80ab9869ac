//! What a counter is held against at one decision: its quota with every override applied and the
//! calendar worked out. The shim prepares it; the arithmetic and the script take it as it is.

use crate::bounded::{Bounded, MAX_SAFE};
use crate::quota::{Limit, SlidingWindow, TokenBucket};

/// The latest time the ledger counts with, in Unix milliseconds (the year 6429): a date and two
/// windows still fit six bytes.
pub const MAX_TIME_MS: u64 = 1 << 47;

/// A point in time, in Unix milliseconds.
pub type TimeMs = Bounded<0, MAX_TIME_MS>;

/// How one counter counts, and whether an operator's override stands above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The algorithm and its parameters, with an overridden limit already in place.
    pub method: Method,
    /// What an operator has said about this key.
    pub standing: Standing,
}

/// An algorithm and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// In every interval of the window's length, the admitted cost is at most the limit.
    SlidingWindow(SlidingWindow),
    /// A quota that resets on the calendar.
    FixedWindow {
        /// The cost admitted in one period.
        limit: Limit,
        /// The periods of which one contains the ledger's time.
        periods: Periods,
    },
    /// Smoothing: a steady rate, with room for a burst.
    TokenBucket(TokenBucket),
}

/// Whether the count is what decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The limit is what decides.
    Limited,
    /// Counted, never denied: reported with a limit, and with as much left, of 2^53.
    Unlimited,
    /// Denied until this time; from then on the limit decides.
    BlockedUntil(TimeMs),
}

/// Two periods of the calendar, one after the other: `[a, b)` and `[b, c)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    bounds_ms: [TimeMs; 3],
}

/// Boundaries of periods that are out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected three boundaries in ascending order, found {0:?}")]
pub struct BadPeriods([u64; 3]);

impl Terms {
    /// Terms without an override.
    #[must_use]
    pub const fn limited(method: Method) -> Self {
        Self { method, standing: Standing::Limited }
    }

    /// The limit in force: 2^53 for a key that is unlimited.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self.standing {
            Standing::Unlimited => MAX_SAFE,
            Standing::Limited | Standing::BlockedUntil(_) => self.method.limit(),
        }
    }

    /// Whether the count never denies.
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        matches!(self.standing, Standing::Unlimited)
    }
}

impl Method {
    /// The most that can be charged at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self {
            Self::SlidingWindow(window) => window.limit.get(),
            Self::FixedWindow { limit, .. } => limit.get(),
            Self::TokenBucket(bucket) => bucket.burst(),
        }
    }
}

impl Periods {
    /// The periods `[a, b)` and `[b, c)` of `bounds_ms = [a, b, c]`. To be right whatever the
    /// difference between two clocks, let `b` be the boundary nearest to the caller's time.
    ///
    /// # Errors
    /// [`BadPeriods`] unless `a < b < c`.
    pub fn new(bounds_ms: [TimeMs; 3]) -> Result<Self, BadPeriods> {
        let [a, b, c] = bounds_ms;
        if a < b && b < c {
            Ok(Self { bounds_ms })
        } else {
            Err(BadPeriods(bounds_ms.map(TimeMs::get)))
        }
    }

    /// The three boundaries.
    #[must_use]
    pub fn bounds_ms(&self) -> [u64; 3] {
        self.bounds_ms.map(TimeMs::get)
    }

    /// The start and the end of the period that contains `now_ms`, if one does.
    #[must_use]
    pub fn containing(&self, now_ms: u64) -> Option<(u64, u64)> {
        let [a, b, c] = self.bounds_ms();
        [(a, b), (b, c)].into_iter().find(|(start, end)| (*start..*end).contains(&now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> TimeMs {
        TimeMs::clamped(ms)
    }

    #[test]
    fn a_period_contains_its_start_and_not_its_end() {
        let periods = Periods::new([at(10), at(20), at(40)]).unwrap();
        for (now_ms, expected) in [
            (9, None),
            (10, Some((10, 20))),
            (19, Some((10, 20))),
            (20, Some((20, 40))),
            (39, Some((20, 40))),
            (40, None),
        ] {
            assert_eq!(periods.containing(now_ms), expected, "{now_ms}");
        }
    }

    #[test]
    fn terms_that_cannot_be_counted_are_refused() {
        assert_eq!(
            Periods::new([at(1), at(1), at(2)]).unwrap_err().to_string(),
            "expected three boundaries in ascending order, found [1, 1, 2]"
        );
    }
}
