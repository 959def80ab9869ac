//! What an operator has said about single keys: another limit, no limit, or blocked until a time.
//!
//! Every shim holds all of them in a [`Book`], which [`crate::prepare`] looks into: a decision
//! costs no round trip more. [`watch`] keeps the book what the ledger's hash says;
//! operators change the hash.

pub mod store;
pub mod watch;

pub use store::ChangeError;

use crate::store::Store;
use limits::counter::CounterName;
use limits::ledger::TimeMs;
use limits::quota::Limit;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

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

/// The book of this shim. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Arc<RwLock<Option<Arc<Book>>>>);

impl Overrides {
    /// Overrides for `store`: those of the in-memory ledger live here, none to begin with; others
    /// are not known until they have been read.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        let overrides = Self::default();
        if matches!(store, Store::Memory(_)) {
            overrides.replace(Arc::default());
        }
        overrides
    }

    /// The overrides in force; `None` while it is not known what they are.
    #[must_use]
    pub fn book(&self) -> Option<Arc<Book>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what stands above `counter`, or with `None` removes it; whether anything changed.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing was changed, or it is not known whether it was.
    pub async fn change(
        &self,
        store: &Store,
        counter: &CounterName,
        overriding: Option<Override>,
    ) -> Result<bool, ChangeError> {
        match store::change(store, counter, overriding).await {
            Some(changed) => changed,
            None => Ok(self.change_here(store.now_ms(), counter, overriding)?),
        }
    }

    fn change_here(
        &self,
        now_ms: u64,
        counter: &CounterName,
        overriding: Option<Override>,
    ) -> Result<bool, TooMany> {
        let mut shared = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut book = shared.as_deref().cloned().unwrap_or_default();
        book.forget_ended(now_ms);
        let changed = match overriding {
            Some(overriding) => {
                let changed = book.get(counter) != Some(overriding);
                book.set(counter.clone(), overriding)?;
                changed
            }
            None => book.remove(counter),
        };
        *shared = Some(Arc::new(book));
        Ok(changed)
    }

    fn replace(&self, book: Arc<Book>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(book);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(number: usize) -> CounterName {
        format!("tg:{{{number:032x}}}:b").try_into().unwrap()
    }

    #[test]
    fn the_book_is_bounded_and_ended_blocks_make_room() {
        let overrides = Overrides::default();
        let block = Some(Override::BlockedUntilMs(TimeMs::clamped(1_000)));
        let set = |now_ms, number, value| overrides.change_here(now_ms, &counter(number), value);
        for number in 0..MAX_OVERRIDES {
            assert_eq!(set(0, number, block), Ok(true));
        }
        assert_eq!(set(999, MAX_OVERRIDES, block), Err(TooMany));
        assert_eq!(set(999, 7, Some(Override::Unlimited)), Ok(true));
        assert_eq!(set(1_000, MAX_OVERRIDES, Some(Override::Unlimited)), Ok(true));
        assert_eq!(overrides.book().unwrap().len(), 2);
    }

    #[test]
    fn a_change_says_whether_it_was_one() {
        let overrides = Overrides::default();
        let set = |value| overrides.change_here(0, &counter(1), value).unwrap();
        assert!(set(Some(Override::Unlimited)));
        assert!(!set(Some(Override::Unlimited)));
        assert!(set(Some(Override::Limit(Limit::clamped(5)))));
        assert!(set(None));
        assert!(!set(None));
    }
}
