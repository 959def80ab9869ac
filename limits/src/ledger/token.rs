//! The token bucket, in whole numbers. It stores what is missing from a full bucket, in units: a
//! token is `per_ms` units, so `rate` units flow in per millisecond and nothing is ever rounded.
//!
//! If `per_ms` has changed, the missing amount is rounded up to whole tokens and converted to the
//! new unit. The inflow since then is computed at the new rate.
//!
//! **Giving back** leaves the bucket as if the charge had never been made. A unit that flowed in
//! compensates for the charge only if the bucket would otherwise have been full. So the amount that
//! can be put back is the least that was missing at any time since the charge, and at most the
//! charge. For this, the bucket keeps low points: the least missing since each of up to 64 times.
//! The latest one stands for all later times. Giving back never admits too much, because a low
//! point is never stored higher than it was.
//!
//! # Source
//! The generic cell rate algorithm (ITU-T I.371, annex A) in its leaky-bucket form. The effect of a
//! charge is the difference of two reflected walks (Skorokhod's problem).

use super::reading::{NEVER, Reading};
use crate::bounded::MAX_SAFE;
use crate::quota::TokenBucket;
use serde::{Deserialize, Serialize};

/// The most low points that a bucket keeps.
pub(super) const MAX_LOWS: usize = 64;

/// A counter's bucket. A missing bucket is full.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// The time at which `missing` was computed.
    at_ms: u64,
    /// The units missing from a full bucket, at most 2^53. Late charges can make it exceed the
    /// capacity.
    missing: u64,
    /// The units in a token when the bucket was written.
    per_ms: u64,
    /// The low points, oldest first, with ascending `missing`.
    lows: Vec<Low>,
}

/// A time just before a charge, at which less was missing than at any time since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Low {
    at_ms: u64,
    missing: u64,
}

impl Bucket {
    /// Reads the bucket at `now_ms`.
    pub(super) fn read(&self, now_ms: u64, tokens: &TokenBucket) -> Reading {
        let Level { at_ms, missing, per_ms } = self.level(now_ms, tokens);
        let left = tokens.capacity().saturating_sub(missing) / per_ms;
        let missing_then = tokens.capacity().saturating_sub((left + 1) * per_ms);
        let reset_ms = match missing {
            0 => 0,
            _ => flows_in_ms(missing - missing_then, at_ms - now_ms, tokens),
        };
        Reading { left, reset_ms }
    }

    /// Returns the time from `now_ms` until `cost` fits, or 0 if it already does. `cost`: at most
    /// the burst.
    pub(super) fn wait_ms(&self, now_ms: u64, cost: u64, tokens: &TokenBucket) -> u64 {
        let Level { at_ms, missing, per_ms } = self.level(now_ms, tokens);
        match missing.saturating_sub(tokens.capacity() - cost * per_ms) {
            0 => 0,
            excess => flows_in_ms(excess, at_ms - now_ms, tokens),
        }
    }

    /// Charges `cost`.
    pub(super) fn charge(&mut self, now_ms: u64, cost: u64, tokens: &TokenBucket) {
        self.advance(now_ms, tokens);
        self.note_low(self.at_ms, self.missing);
        self.missing = self.missing.saturating_add(tokens.units(cost)).min(MAX_SAFE);
    }

    /// Charges `cost`, or as much of it as the bucket holds.
    pub(super) fn drain(&mut self, now_ms: u64, cost: u64, tokens: &TokenBucket) {
        self.advance(now_ms, tokens);
        self.note_low(self.at_ms, self.missing);
        let wanted = self.missing.saturating_add(tokens.units(cost)).min(MAX_SAFE);
        let drained = wanted.min(tokens.capacity()).max(self.missing);
        if drained < wanted {
            // At most the drained amount can be put back: equivalent to a low point just
            // afterwards.
            self.note_low(self.at_ms + 1, drained - self.missing);
        }
        self.missing = drained;
    }

    /// Puts back up to `amount` of what was charged at `charged_ms`: the units that would not be
    /// missing now without that charge.
    pub(super) fn give_back(
        &mut self,
        now_ms: u64,
        amount: u64,
        charged_ms: u64,
        tokens: &TokenBucket,
    ) {
        self.advance(now_ms, tokens);
        if self.lows.is_empty() {
            return;
        }
        let since = self.lows.partition_point(|low| low.at_ms <= charged_ms);
        let later = self.lows.split_off(since);
        let lowest = later.first().map_or(u64::MAX, |low| low.missing);
        let due = tokens.units(amount).min(lowest);
        self.missing = self.missing.saturating_sub(due);
        // The later low points go down by `due`. Earlier ones stay low points only if they are
        // below them.
        while self.lows.pop_if(|low| low.missing >= lowest - due).is_some() {}
        self.lows.extend(later.iter().map(|low| Low { missing: low.missing - due, ..*low }));
    }

    /// Returns the bucket's time: `now_ms`, or the time it was last written if that is later.
    pub(super) fn at_ms(&self, now_ms: u64) -> u64 {
        now_ms.max(self.at_ms)
    }

    /// Returns the time from which the bucket is full, like a missing one.
    pub(super) fn expires_ms(&self, tokens: &TokenBucket) -> u64 {
        self.at_ms + self.missing.div_ceil(tokens.rate())
    }

    /// Moves the bucket to its current time, and to the current unit.
    fn advance(&mut self, now_ms: u64, tokens: &TokenBucket) {
        let Level { at_ms, missing, per_ms } = self.level(now_ms, tokens);
        if self.per_ms != per_ms {
            let old_ms = self.per_ms.max(1);
            self.lows.iter_mut().for_each(|low| low.missing = tokens.units(low.missing / old_ms));
        }
        (self.at_ms, self.missing, self.per_ms) = (at_ms, missing, per_ms);
    }

    /// Records a low point of `missing` at `at_ms`, before more is charged.
    fn note_low(&mut self, at_ms: u64, missing: u64) {
        while self.lows.pop_if(|low| low.missing >= missing).is_some() {}
        let is_full = self.lows.len() == MAX_LOWS;
        match self.lows.last_mut() {
            // Charges made at the same time share a low point: the lowest.
            Some(last) if last.at_ms >= at_ms => {}
            Some(last) if is_full => last.at_ms = at_ms,
            _ => self.lows.push(Low { at_ms, missing }),
        }
    }

    /// Returns the bucket's level at `now_ms`, or at the time it was last written if that is later.
    fn level(&self, now_ms: u64, tokens: &TokenBucket) -> Level {
        let per_ms = tokens.per_ms();
        let missing = if self.per_ms == per_ms {
            self.missing
        } else {
            tokens.units(self.missing.div_ceil(self.per_ms.max(1)))
        };
        let at_ms = self.at_ms(now_ms);
        let flowed_in = (at_ms - self.at_ms).saturating_mul(tokens.rate());
        Level { at_ms, missing: missing.saturating_sub(flowed_in), per_ms }
    }
}

/// A bucket's level at one time.
struct Level {
    at_ms: u64,
    missing: u64,
    per_ms: u64,
}

/// Returns the time until `units` have flowed in, counted from `behind_ms` ahead of now. Stays
/// below [`NEVER`].
fn flows_in_ms(units: u64, behind_ms: u64, tokens: &TokenBucket) -> u64 {
    (behind_ms + units.div_ceil(tokens.rate())).min(NEVER - 1)
}
