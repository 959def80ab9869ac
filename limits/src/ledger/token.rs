//! The token bucket, in whole numbers: what is missing from a full bucket, in units of which a
//! token has `per_ms`, so that `rate` units flow in every millisecond and nothing is ever rounded.
//!
//! Where `per_ms` has changed since, what is missing is rounded up to whole tokens and counted in
//! the new unit; what flowed in meanwhile is reckoned at the rate now in force.
//!
//! # Source
//! The generic cell rate algorithm (ITU-T I.371, annex A) in its leaky-bucket form.

use super::NEVER;
use super::reading::Reading;
use super::terms::Tokens;
use crate::bounded::MAX_SAFE;
use serde::{Deserialize, Serialize};

/// One counter's bucket. Absent, it is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// When `missing` was right.
    at_ms: u64,
    /// Units missing from a full bucket, at most 2^53; above its capacity if charged afterwards.
    missing: u64,
    /// The units in a token when it was written.
    per_ms: u64,
}

impl Bucket {
    /// What the bucket says at `now_ms`.
    pub(super) fn read(&self, now_ms: u64, tokens: &Tokens) -> Reading {
        let Self { at_ms, missing, per_ms } = self.at(now_ms, tokens);
        let left = tokens.capacity().saturating_sub(missing) / per_ms;
        let missing_then = tokens.capacity().saturating_sub((left + 1) * per_ms);
        let reset_ms = match missing {
            0 => 0,
            _ => flows_in_ms(missing - missing_then, at_ms - now_ms, tokens),
        };
        Reading { left, reset_ms }
    }

    /// How long from `now_ms` until `cost`, at most the burst, fits; 0 if it does.
    pub(super) fn wait_ms(&self, now_ms: u64, cost: u64, tokens: &Tokens) -> u64 {
        let Self { at_ms, missing, per_ms } = self.at(now_ms, tokens);
        match missing.saturating_sub(tokens.capacity() - cost * per_ms) {
            0 => 0,
            excess => flows_in_ms(excess, at_ms - now_ms, tokens),
        }
    }

    /// Charges `cost`.
    pub(super) fn charge(&mut self, now_ms: u64, cost: u64, tokens: &Tokens) {
        *self = self.at(now_ms, tokens);
        self.missing = self.missing.saturating_add(tokens.units(cost)).min(MAX_SAFE);
    }

    /// Charges `cost` or as much of it as the bucket holds.
    pub(super) fn drain(&mut self, now_ms: u64, cost: u64, tokens: &Tokens) {
        *self = self.at(now_ms, tokens);
        let drained = self.missing.saturating_add(tokens.units(cost)).min(tokens.capacity());
        self.missing = self.missing.max(drained);
    }

    /// Puts back up to `amount` of what was charged at `charged_ms`: so much of it as cannot have
    /// flowed in since. Had it never been charged, at least that much less would be missing.
    pub(super) fn give_back(&mut self, now_ms: u64, amount: u64, charged_ms: u64, tokens: &Tokens) {
        *self = self.at(now_ms, tokens);
        let flowed_in = self.at_ms.saturating_sub(charged_ms).saturating_mul(tokens.rate());
        let due = tokens.units(amount).saturating_sub(flowed_in);
        self.missing = self.missing.saturating_sub(due);
    }

    /// The bucket's time: the clock's, unless it was written at a later one.
    pub(super) fn at_ms(&self, now_ms: u64) -> u64 {
        now_ms.max(self.at_ms)
    }

    /// From when on the bucket is full, as an absent one.
    pub(super) fn expires_ms(&self, tokens: &Tokens) -> u64 {
        self.at_ms + self.missing.div_ceil(tokens.rate())
    }

    /// The bucket at `now_ms`, or at the time it was written if that is later.
    fn at(&self, now_ms: u64, tokens: &Tokens) -> Self {
        let per_ms = tokens.per_ms();
        let missing = if self.per_ms == per_ms {
            self.missing
        } else {
            tokens.units(self.missing.div_ceil(self.per_ms.max(1)))
        };
        let at_ms = self.at_ms(now_ms);
        let flowed_in = (at_ms - self.at_ms).saturating_mul(tokens.rate());
        Self { at_ms, missing: missing.saturating_sub(flowed_in), per_ms }
    }
}

/// How long it takes, `behind_ms` from now, until so many units have flowed in; told apart from
/// never.
fn flows_in_ms(units: u64, behind_ms: u64, tokens: &Tokens) -> u64 {
    (behind_ms + units.div_ceil(tokens.rate())).min(NEVER - 1)
}
