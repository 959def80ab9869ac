//! The balance: what everyone starts with, plus what was topped up, less what was charged. Time
//! changes nothing, so the counter never expires.
//!
//! **Giving back** subtracts from what was charged. The account remembers when it was first written.
//! A charge from before that time belongs to an account that has been reset, and does not come back.

use super::reading::Reading;
use crate::bounded::MAX_SAFE;
use crate::quota::MAX_BALANCE;
use serde::{Deserialize, Serialize};

/// A counter's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    /// The time at which the account was first written. [`u64::MAX`] before that.
    since_ms: u64,
    /// The amount charged, at most 2^53.
    used: u64,
    /// The amount topped up, at most 2^52.
    added: u64,
}

impl Default for Account {
    fn default() -> Self {
        Self { since_ms: u64::MAX, used: 0, added: 0 }
    }
}

impl Account {
    /// Reads the account of a payer who started with `start`.
    pub(super) fn read(&self, start: u64) -> Reading {
        Reading { left: self.limit(start).saturating_sub(self.used), reset_ms: 0 }
    }

    /// Returns all that the payer was ever given, at most 2^53.
    pub(super) const fn limit(&self, start: u64) -> u64 {
        start + self.added
    }

    /// Returns the amount topped up.
    pub(super) const fn added(&self) -> u64 {
        self.added
    }

    /// Charges `cost`.
    pub(super) fn charge(&mut self, now_ms: u64, cost: u64) {
        self.open(now_ms);
        self.used += cost.min(MAX_SAFE - self.used);
    }

    /// Subtracts up to `amount` from what was charged.
    pub(super) fn give_back(&mut self, amount: u64) {
        self.used = self.used.saturating_sub(amount);
    }

    /// Adds `amount`. Returns false if that would be too much in all.
    pub(super) fn top_up(&mut self, now_ms: u64, amount: u64) -> bool {
        let fits = amount <= MAX_BALANCE - self.added;
        if fits {
            self.open(now_ms);
            self.added += amount;
        }
        fits
    }

    /// Returns the time of the first write.
    pub(super) const fn since_ms(&self) -> u64 {
        self.since_ms
    }

    fn open(&mut self, now_ms: u64) {
        if self.since_ms == u64::MAX {
            self.since_ms = now_ms;
        }
    }
}
