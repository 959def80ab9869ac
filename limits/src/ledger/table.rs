//! A bounded table whose entries expire: nothing that has not expired is ever pushed out.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// How many due entries are looked at beyond what is needed, each time room is made.
const SWEEP_STEP: usize = 4;

/// Up to `capacity` values by name, each until a time of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Table<V> {
    capacity: usize,
    slots: HashMap<String, Slot<V>>,
    /// When each entry is to be looked at: at its expiry, or earlier where it was put off since.
    due: BTreeSet<(u64, String)>,
    swept_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Slot<V> {
    value: V,
    expires_ms: u64,
    due_ms: u64,
}

impl<V> Table<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, slots: HashMap::new(), due: BTreeSet::new(), swept_ms: 0 }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The latest time at which something was dropped because it had expired.
    pub(super) fn swept_ms(&self) -> u64 {
        self.swept_ms
    }

    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.slots.get(name).map(|slot| &slot.value)
    }

    /// Drops what has expired: as much as `wanted` new entries need, and, once the table is half
    /// full, a few more each time, so that the work is spread out.
    pub(super) fn make_room(&mut self, now_ms: u64, wanted: usize) {
        let mut spare = if self.len() >= self.capacity / 2 { SWEEP_STEP } else { 0 };
        while self.len() + wanted > self.capacity || spare > 0 {
            spare = spare.saturating_sub(1);
            if self.due.first().is_none_or(|(due_ms, _)| *due_ms > now_ms) {
                return;
            }
            self.sweep_first(now_ms);
        }
    }

    /// Whether so many new entries fit.
    pub(super) fn has_room(&self, wanted: usize) -> bool {
        self.len() + wanted <= self.capacity
    }

    /// Changes the value called `name`, or a new one; the caller has made sure that it
    /// [has room](Self::has_room). `change` tells when the value then expires.
    pub(super) fn write(
        &mut self,
        name: &str,
        new: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> u64,
    ) {
        if let Some(slot) = self.slots.get_mut(name) {
            slot.expires_ms = change(&mut slot.value);
            return;
        }
        let mut value = new();
        let expires_ms = change(&mut value);
        self.due.insert((expires_ms, name.to_owned()));
        self.slots.insert(name.to_owned(), Slot { value, expires_ms, due_ms: expires_ms });
    }

    /// Drops an entry; tells whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let Some((name, slot)) = self.slots.remove_entry(name) else { return false };
        self.due.remove(&(slot.due_ms, name));
        true
    }

    /// Takes the entry that is due first: drops it, or puts it off until it expires.
    fn sweep_first(&mut self, now_ms: u64) {
        let Some((_, name)) = self.due.pop_first() else { return };
        let Some(slot) = self.slots.get_mut(&name) else { return };
        if slot.expires_ms > now_ms {
            slot.due_ms = slot.expires_ms;
            self.due.insert((slot.due_ms, name));
        } else {
            self.slots.remove(&name);
            self.swept_ms = self.swept_ms.max(now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(table: &mut Table<u64>, name: &str, expires_ms: u64) {
        table.write(name, || 0, |_| expires_ms);
    }

    #[test]
    fn only_what_has_expired_makes_room() {
        let mut table = Table::new(2);
        put(&mut table, "a", 10);
        put(&mut table, "b", 20);
        table.make_room(9, 1);
        assert!(!table.has_room(1));
        put(&mut table, "a", 30); // still due at 10, no longer expired then
        table.make_room(15, 1);
        assert!(!table.has_room(1));
        table.make_room(20, 1);
        assert!(table.has_room(1));
        assert_eq!((table.get("a"), table.get("b")), (Some(&0), None));
        assert_eq!(table.swept_ms(), 20);
    }

    #[test]
    fn a_removed_entry_leaves_nothing_behind() {
        let mut table = Table::new(2);
        for round in 0..10 {
            put(&mut table, "a", 100 + round);
            put(&mut table, "a", 200 + round);
            assert!(table.remove("a"));
        }
        assert!(!table.remove("a"));
        assert_eq!((table.len(), table.due.len()), (0, 0));
    }
}
