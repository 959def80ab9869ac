//! The overrides themselves, by counter, at most [`MAX_OVERRIDES`].

use limits::counter::CounterName;
use limits::ledger::TimeMs;
use limits::quota::Limit;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The most overrides there can be.
pub const MAX_OVERRIDES: usize = 10_000;

/// What stands above one counter's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Override {
    /// Another limit. For a token bucket it is the burst, and the rate changes in proportion.
    Limit(Limit),
    /// Counted, never denied.
    Unlimited,
    /// Denied until this Unix time; from then on as if there were no override.
    BlockedUntilMs(TimeMs),
}

/// The overrides in force, by counter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book(HashMap<CounterName, Override>);

/// There are [`MAX_OVERRIDES`] already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected at most {MAX_OVERRIDES} overrides; remove some with `tollgate overrides remove`")]
pub struct TooMany;

impl Book {
    /// What stands above `counter`'s quota, if anything.
    #[must_use]
    pub fn get(&self, counter: &CounterName) -> Option<Override> {
        self.0.get(counter).copied()
    }

    /// Writes one in.
    ///
    /// # Errors
    /// [`TooMany`] if there is no room for another.
    pub fn set(&mut self, counter: CounterName, overriding: Override) -> Result<(), TooMany> {
        if self.0.len() >= MAX_OVERRIDES && !self.0.contains_key(&counter) {
            return Err(TooMany);
        }
        self.0.insert(counter, overriding);
        Ok(())
    }

    /// Strikes one out; whether it was there.
    pub fn remove(&mut self, counter: &CounterName) -> bool {
        self.0.remove(counter).is_some()
    }

    /// Strikes out the blocks that have ended by `now_ms`.
    pub fn forget_ended(&mut self, now_ms: u64) {
        self.0.retain(|_, overriding| !overriding.has_ended(now_ms));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are in force at `now_ms`.
    #[must_use]
    pub fn count_in_force(&self, now_ms: u64) -> usize {
        self.0.values().filter(|overriding| !overriding.has_ended(now_ms)).count()
    }

    /// All that are in force at `now_ms`, by counter.
    #[must_use]
    pub fn in_force(&self, now_ms: u64) -> Vec<(CounterName, Override)> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .filter(|(_, overriding)| !overriding.has_ended(now_ms))
            .map(|(counter, overriding)| (counter.clone(), *overriding))
            .collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}

impl Override {
    /// Whether it is a block that has ended.
    #[must_use]
    pub fn has_ended(&self, now_ms: u64) -> bool {
        matches!(self, Self::BlockedUntilMs(until_ms) if until_ms.get() <= now_ms)
    }
}
