//! A bounded table whose entries expire. Entries that have not expired are never evicted.

use std::collections::{BTreeSet, HashMap};

/// The number of due entries swept beyond those needed, each time room is made.
const SWEEP_STEP: usize = 4;

/// Up to `capacity` named values, each with an expiry time.
#[derive(Debug, Clone)]
pub(super) struct Table<V> {
    capacity: usize,
    slots: HashMap<String, Slot<V>>,
    /// The time to check each entry: its expiry, or earlier if the expiry was extended since.
    due: BTreeSet<(u64, String)>,
    swept_ms: u64,
}

#[derive(Debug, Clone)]
struct Slot<V> {
    value: V,
    expires_ms: u64,
    due_ms: u64,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self::new(0)
    }
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

    /// Returns the latest time at which an expired entry was dropped.
    pub(super) fn swept_ms(&self) -> u64 {
        self.swept_ms
    }

    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.slots.get(name).map(|slot| &slot.value)
    }

    /// Drops expired entries: as many as `wanted` new entries need. Once the table is half full,
    /// also drops a few more each time, to spread the work.
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

    /// Returns true if `wanted` new entries fit.
    pub(super) fn has_room(&self, wanted: usize) -> bool {
        self.len() + wanted <= self.capacity
    }

    /// Changes the value called `name`, or adds a new one. The caller must first check
    /// [`Self::has_room`]. `change` returns the new expiry time.
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

    /// Removes an entry. Returns false if it did not exist.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let Some((name, slot)) = self.slots.remove_entry(name) else { return false };
        self.due.remove(&(slot.due_ms, name));
        true
    }

    /// Checks the entry that is due first. Drops it if it has expired, otherwise postpones the
    /// check.
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
    fn only_expired_entries_make_room() {
        let mut table = Table::new(2);
        put(&mut table, "a", 10);
        put(&mut table, "b", 20);
        table.make_room(9, 1);
        assert!(!table.has_room(1));
        put(&mut table, "a", 30); // still due at 10, but no longer expires then
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
