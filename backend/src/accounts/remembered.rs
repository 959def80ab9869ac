//! What was found while the database was in one state: right for as long as nothing in it changes.
//!
//! Used by [`super::lookups`] for sessions, and by [`super::recent`] for tokens.

use crate::store::State;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most entries, at about a kilobyte each. One more, and all others are forgotten.
pub(super) const MAX_REMEMBERED: usize = 10_000;

/// A bounded table of one state of the database.
#[derive(Debug)]
pub(super) struct Remembered<K, V, S = RandomState>(Mutex<Table<K, V, S>>);

#[derive(Debug)]
struct Table<K, V, S> {
    state: Option<State>,
    found: HashMap<K, V, S>,
}

impl<K: Eq + Hash, V: Clone, S: BuildHasher + Default> Remembered<K, V, S> {
    /// Returns what was found under `key` in this very state.
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, state: State, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let table = self.table();
        if table.state == Some(state) { table.found.get(key).cloned() } else { None }
    }

    /// Remembers what a query found that began in this state.
    pub(super) fn add(&self, state: State, found: impl IntoIterator<Item = (K, V)>) {
        let mut table = self.table();
        if table.state != Some(state) || table.found.len() >= MAX_REMEMBERED {
            *table = Table { state: Some(state), found: HashMap::default() };
        }
        table.found.extend(found);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table().found.len()
    }

    fn table(&self) -> MutexGuard<'_, Table<K, V, S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V, S: Default> Default for Remembered<K, V, S> {
    fn default() -> Self {
        Self(Mutex::new(Table { state: None, found: HashMap::default() }))
    }
}
