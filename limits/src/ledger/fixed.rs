//! The fixed window: a count that starts anew with each period of the calendar.
//!
//! Where a period starts and ends is worked out by the caller, who knows time zones. The count
//! stands while the period that contains the clock starts no later than the one counted: so a
//! clock that steps back into the period before, or a time zone that was changed, keeps the count,
//! and only a period that starts later resets it.

use super::reading::Reading;
use crate::bounded::MAX_SAFE;
use serde::{Deserialize, Serialize};

/// One counter's count.
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

/// A count as it stands in a period.
struct Current {
    count: Count,
    /// Until when it stands.
    until_ms: u64,
}

impl Count {
    /// What the count says at `now_ms`, which lies in the period.
    pub(super) fn read(&self, now_ms: u64, period: &Period) -> Reading {
        let Current { count: Self { count, .. }, until_ms } = self.current(period);
        Reading {
            left: period.limit.saturating_sub(count),
            reset_ms: if count > 0 { until_ms - now_ms } else { 0 },
        }
    }

    /// When the count starts anew.
    pub(super) fn until_ms(&self, period: &Period) -> u64 {
        self.current(period).until_ms
    }

    /// Charges `cost`.
    pub(super) fn charge(&mut self, cost: u64, period: &Period) {
        *self = self.current(period).count;
        self.count += cost.min(MAX_SAFE - self.count);
    }

    /// Takes up to `amount` off.
    pub(super) fn give_back(&mut self, amount: u64, period: &Period) {
        *self = self.current(period).count;
        self.count = self.count.saturating_sub(amount);
    }

    /// When the period counted started.
    pub(super) fn start_ms(&self, period: &Period) -> u64 {
        self.current(period).count.start_ms
    }

    /// From when on the count says no more than an absent one.
    pub(super) fn expires_ms(&self) -> u64 {
        self.end_ms
    }

    /// The count as it stands in `period`.
    fn current(&self, period: &Period) -> Current {
        let Period { start_ms, end_ms, .. } = *period;
        if self.start_ms < start_ms {
            return Current { count: Self { start_ms, end_ms, count: 0 }, until_ms: end_ms };
        }
        // A period counted that starts after this one ends: the clock has stepped back.
        let until_ms = if self.start_ms < end_ms { end_ms } else { self.end_ms };
        Current { count: Self { end_ms: self.end_ms.max(end_ms), ..*self }, until_ms }
    }
}
