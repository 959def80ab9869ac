//! The overrides by counter, at most [`MAX_OVERRIDES`].

use limits::counter::CounterName;
use limits::ledger::TimeMs;
use limits::quota::Limit;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The maximum number of overrides.
pub const MAX_OVERRIDES: usize = 10_000;

/// An override of a counter's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Override {
    /// Another limit. For a token bucket, this is the burst, and the rate changes in proportion.
    Limit(Limit),
    /// Counted but never denied.
    Unlimited,
    /// Denied until this Unix time. After it, the override has no effect.
    BlockedUntilMs(TimeMs),
}

/// The overrides in force, by counter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book(HashMap<CounterName, Override>);

/// The maximum of [`MAX_OVERRIDES`] is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected at most {MAX_OVERRIDES} overrides; remove some with `tollgate overrides remove`")]
pub struct TooMany;

impl Book {
    /// Returns the override of `counter`, if any.
    #[must_use]
    pub fn get(&self, counter: &CounterName) -> Option<Override> {
        self.0.get(counter).copied()
    }

    /// Returns the override that applies to `counter`: its own, or for a tier's counter that of its
    /// bucket's counter.
    #[must_use]
    pub fn applying_to(&self, counter: &CounterName) -> Option<Override> {
        if self.0.is_empty() {
            return None;
        }
        self.get(counter).or_else(|| self.get(&counter.of_bucket()?))
    }

    /// Sets an override.
    ///
    /// # Errors
    /// [`TooMany`] if the book is full.
    pub fn set(&mut self, counter: CounterName, overriding: Override) -> Result<(), TooMany> {
        if self.0.len() >= MAX_OVERRIDES && !self.0.contains_key(&counter) {
            return Err(TooMany);
        }
        self.0.insert(counter, overriding);
        Ok(())
    }

    /// Removes an override. Returns false if it did not exist.
    pub fn remove(&mut self, counter: &CounterName) -> bool {
        self.0.remove(counter).is_some()
    }

    /// Removes the blocks that have ended by `now_ms`.
    pub fn forget_ended(&mut self, now_ms: u64) {
        self.0.retain(|_, overriding| !overriding.has_ended(now_ms));
    }

    /// Returns the number of overrides.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are no overrides.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of overrides in force at `now_ms`.
    #[must_use]
    pub fn count_in_force(&self, now_ms: u64) -> usize {
        self.0.values().filter(|overriding| !overriding.has_ended(now_ms)).count()
    }

    /// Returns the overrides in force at `now_ms`, sorted by counter.
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
    /// Returns true if this is a block that has ended.
    #[must_use]
    pub fn has_ended(&self, now_ms: u64) -> bool {
        matches!(self, Self::BlockedUntilMs(until_ms) if until_ms.get() <= now_ms)
    }
}
