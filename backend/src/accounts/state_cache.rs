//! A bounded cache of query results, valid while the database stays in one state.
//!
//! Used by [`super::lookups`] for sessions, and by [`super::recent`] for tokens.

use crate::store::State;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most entries, at about 1 kB each. Adding to a full table clears it first.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// A bounded table for one state of the database.
#[derive(Debug)]
pub(super) struct StateCache<K, V, S = RandomState>(Mutex<Table<K, V, S>>);

#[derive(Debug)]
struct Table<K, V, S> {
    state: Option<State>,
    found: HashMap<K, V, S>,
}

impl<K: Eq + Hash, V: Clone, S: BuildHasher + Default> StateCache<K, V, S> {
    /// Returns the entry under `key` if it was added in exactly this state.
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, state: State, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let table = self.table();
        if table.state == Some(state) { table.found.get(key).cloned() } else { None }
    }

    /// Adds the results of a query that began in `state`. A new state clears the table.
    pub(super) fn add(&self, state: State, found: impl IntoIterator<Item = (K, V)>) {
        let mut table = self.table();
        if table.state != Some(state) || table.found.len() >= MAX_ENTRIES {
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

impl<K, V, S: Default> Default for StateCache<K, V, S> {
    fn default() -> Self {
        Self(Mutex::new(Table { state: None, found: HashMap::default() }))
    }
}
