//! The keys of one call, each once, in order of first use.

use indexmap::IndexMap;
use limits::block::Block;
use limits::counter::CounterName;
use limits::ledger::{Charge, Settle};
use std::borrow::Cow;

/// The places of a charge's keys, from 0.
pub(super) struct Places {
    pub(super) counter: usize,
    /// The block to apply, and the place of the counter's refusals.
    pub(super) block: Option<(Block, usize)>,
}

/// The keys, with their counters; `None` for marks.
#[derive(Default)]
pub(super) struct Keys<'a>(IndexMap<Cow<'a, str>, Option<&'a CounterName>>);

impl<'a> Keys<'a> {
    pub(super) fn of(charges: impl Iterator<Item = &'a Charge>) -> Self {
        let mut keys = Self::default();
        charges.for_each(|charge| {
            keys.charge(charge);
        });
        keys
    }

    /// Returns the index of a charge's counter, and of its refusals if they matter.
    pub(super) fn charge(&mut self, charge: &'a Charge) -> Places {
        let counter = self.counter(&charge.counter);
        let block = charge.block.filter(|_| !charge.terms.is_unlimited());
        Places { counter, block: block.map(|block| (block, self.refusals(&charge.counter))) }
    }

    /// Returns the index of a counter's refusals, from 0.
    fn refusals(&mut self, counter: &'a CounterName) -> usize {
        self.0.insert_full(Cow::Owned(counter.refusals()), Some(counter)).0
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
