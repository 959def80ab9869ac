//! The terms for one decision on a counter: its quota, with all overrides applied and the calendar
//! resolved. Prepared by the shim, and used as is by the arithmetic and the script.

use crate::bounded::{Bounded, MAX_SAFE};
use crate::quota::{Balance, Limit, SlidingWindow, TokenBucket};

/// The latest time that the ledger can count with, in Unix milliseconds (the year 6429). A date
/// plus two windows still fits in six bytes.
pub const MAX_TIME_MS: u64 = 1 << 47;

/// A point in time, in Unix milliseconds.
pub type TimeMs = Bounded<0, MAX_TIME_MS>;

/// A counter's algorithm, and the operator's override of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The algorithm and its parameters, including an overridden limit.
    pub method: Method,
    /// The override's effect.
    pub standing: Standing,
}

/// An algorithm and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// In every interval of the window's length, the admitted cost is at most the limit.
    SlidingWindow(SlidingWindow),
    /// A quota that resets on the calendar.
    FixedWindow {
        /// The most that one period can admit.
        limit: Limit,
        /// The periods, one of which contains the ledger's time.
        periods: Periods,
    },
    /// A steady rate that allows bursts.
    TokenBucket(TokenBucket),
    /// A prepaid amount that never resets.
    Balance(Balance),
}

/// An override's effect on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The limit decides.
    Limited,
    /// Counted but never denied. The limit and the remaining capacity are reported as 2^53.
    Unlimited,
    /// Denied until this time. After it, the limit decides.
    BlockedUntil(TimeMs),
}

/// Two consecutive calendar periods, `[a, b)` and `[b, c)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    bounds_ms: [TimeMs; 3],
}

/// Period boundaries out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected three boundaries in ascending order, found {0:?}")]
pub struct BadPeriods([u64; 3]);

impl Terms {
    /// Creates terms without an override.
    #[must_use]
    pub const fn limited(method: Method) -> Self {
        Self { method, standing: Standing::Limited }
    }

    /// Returns the limit in force; 2^53 for an unlimited key.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self.standing {
            Standing::Unlimited => MAX_SAFE,
            Standing::Limited | Standing::BlockedUntil(_) => self.method.limit(),
        }
    }

    /// Returns true if the key is never denied.
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        matches!(self.standing, Standing::Unlimited)
    }
}

impl Method {
    /// Returns the most that can be charged at once; for a balance, without any top-ups.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self {
            Self::SlidingWindow(window) => window.limit.get(),
            Self::FixedWindow { limit, .. } => limit.get(),
            Self::TokenBucket(bucket) => bucket.burst(),
            Self::Balance(balance) => balance.start.get(),
        }
    }
}

impl Periods {
    /// Creates the periods `[a, b)` and `[b, c)` from `bounds_ms = [a, b, c]`. Choose `b` as the
    /// boundary nearest to the caller's time, to tolerate differences between clocks.
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

    /// Returns the three boundaries.
    #[must_use]
    pub fn bounds_ms(&self) -> [u64; 3] {
        self.bounds_ms.map(TimeMs::get)
    }

    /// Returns the start and end of the period that contains `now_ms`, if any.
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
    fn boundaries_out_of_order_are_refused() {
        assert_eq!(
            Periods::new([at(1), at(1), at(2)]).unwrap_err().to_string(),
            "expected three boundaries in ascending order, found [1, 1, 2]"
        );
    }
}
