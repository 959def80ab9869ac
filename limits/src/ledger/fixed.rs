//! The fixed window: a count that resets with each calendar period.
//!
//! The caller, which knows time zones, computes the period's bounds. The count is kept until a
//! period that starts later contains the clock. So it survives a clock that steps back into the
//! previous period, and a change of time zone.

use super::reading::Reading;
use crate::bounded::MAX_SAFE;
use serde::{Deserialize, Serialize};

/// A counter's count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    start_ms: u64,
    end_ms: u64,
    count: u64,
}

/// A limit, and the period that contains the clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    pub(super) limit: u64,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
}

/// A count as it applies to a period.
struct Current {
    count: Count,
    /// The time when the count resets.
    until_ms: u64,
}

impl Count {
    /// Reads the count at `now_ms`, which is in the period.
    pub(super) fn read(&self, now_ms: u64, period: &Period) -> Reading {
        let Current { count: Self { count, .. }, until_ms } = self.current(period);
        Reading {
            left: period.limit.saturating_sub(count),
            reset_ms: if count > 0 { until_ms - now_ms } else { 0 },
        }
    }

    /// Returns the time at which the count resets.
    pub(super) fn until_ms(&self, period: &Period) -> u64 {
        self.current(period).until_ms
    }

    /// Charges `cost`.
    pub(super) fn charge(&mut self, cost: u64, period: &Period) {
        *self = self.current(period).count;
        self.count += cost.min(MAX_SAFE - self.count);
    }

    /// Subtracts up to `amount`.
    pub(super) fn give_back(&mut self, amount: u64, period: &Period) {
        *self = self.current(period).count;
        self.count = self.count.saturating_sub(amount);
    }

    /// Returns the start of the counted period.
    pub(super) fn start_ms(&self, period: &Period) -> u64 {
        self.current(period).count.start_ms
    }

    /// Returns the time from which the count equals that of a missing counter.
    pub(super) fn expires_ms(&self) -> u64 {
        self.end_ms
    }

    /// Returns the count as it applies to `period`.
    fn current(&self, period: &Period) -> Current {
        let Period { start_ms, end_ms, .. } = *period;
        if self.start_ms < start_ms {
            return Current { count: Self { start_ms, end_ms, count: 0 }, until_ms: end_ms };
        }
        // If the counted period starts after this one ends, the clock has stepped back.
        let until_ms = if self.start_ms < end_ms { end_ms } else { self.end_ms };
        Current { count: Self { end_ms: self.end_ms.max(end_ms), ..*self }, until_ms }
    }
}
