//! The keys of one call, each once, in order of first use.

use indexmap::IndexMap;
use limits::counter::CounterName;
use limits::ledger::Settle;
use std::borrow::Cow;

/// The keys, with their counters; `None` for marks.
#[derive(Default)]
pub(super) struct Keys<'a>(IndexMap<Cow<'a, str>, Option<&'a CounterName>>);

impl<'a> Keys<'a> {
    pub(super) fn of(counters: impl Iterator<Item = &'a CounterName>) -> Self {
        Self(counters.map(|counter| (Cow::Borrowed(counter.as_str()), Some(counter))).collect())
    }

    /// Returns the index of a counter, from 0.
    pub(super) fn counter(&mut self, counter: &'a CounterName) -> usize {
        self.0.insert_full(Cow::Borrowed(counter.as_str()), Some(counter)).0
    }

    /// Returns the index of a settle's mark, from 0.
    pub(super) fn mark(&mut self, settle: &Settle) -> usize {
        self.0.insert_full(Cow::Owned(settle.mark()), None).0
    }

    /// Returns the counter at an index.
    pub(super) fn at(&self, place: usize) -> Option<&'a CounterName> {
        self.0.get_index(place).and_then(|(_, counter)| *counter)
    }

    pub(super) fn names(self) -> Vec<String> {
        self.0.into_keys().map(Cow::into_owned).collect()
    }
}
