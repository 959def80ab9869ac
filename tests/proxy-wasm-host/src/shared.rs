//! The data (with compare-and-swap) and queues that all VMs of a process share.
//!
//! As in Envoy, nothing expires and nothing is evicted. The plugin must bound its key space;
//! [`SharedData::len`] lets tests check that it does.

use crate::abi::Status;
use std::collections::{BTreeMap, VecDeque};

/// A VM's number within its process.
pub type VmNumber = u32;

/// Values that all VMs with the same `vm_id` see.
#[derive(Debug, Default)]
pub struct SharedData {
    values: BTreeMap<(String, Vec<u8>), (Vec<u8>, u32)>,
    last_cas: u32,
}

impl SharedData {
    /// Returns the value of `key` and its version.
    #[must_use]
    pub fn get(&self, vm_id: &str, key: &[u8]) -> Option<(&[u8], u32)> {
        let found = self.values.get(&(vm_id.to_owned(), key.to_vec()))?;
        Some((found.0.as_slice(), found.1))
    }

    /// Sets `key` if its version is still `cas`. The check is skipped if `cas` is 0 or the key has
    /// no value yet.
    ///
    /// # Errors
    /// [`Status::CasMismatch`] if the version differs.
    pub fn set(&mut self, vm_id: &str, key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
        let key = (vm_id.to_owned(), key.to_vec());
        if self.values.get(&key).is_some_and(|(_, version)| cas != 0 && cas != *version) {
            return Err(Status::CasMismatch);
        }
        self.last_cas = self.last_cas.checked_add(1).unwrap_or(1);
        self.values.insert(key, (value.to_vec(), self.last_cas));
        Ok(())
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns true if no key has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the total size of all keys and values, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values.iter().map(|((_, key), (value, _))| key.len() + value.len()).sum()
    }
}

/// A pending notification: `queue` has an item for the root context `root` of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// The VM that registered the queue last.
    pub vm: VmNumber,
    /// The root context that registered it.
    pub root: u32,
    /// The queue.
    pub queue: u32,
}

/// The queues that all VMs of a process can write to.
#[derive(Debug, Default)]
pub struct SharedQueues {
    numbers: BTreeMap<(String, Vec<u8>), u32>,
    queues: BTreeMap<u32, Queue>,
    wakes: VecDeque<Wake>,
}

#[derive(Debug)]
struct Queue {
    vm: VmNumber,
    root: u32,
    items: VecDeque<Vec<u8>>,
}

impl SharedQueues {
    /// Registers a queue for a VM's root context. Registering the same name again takes it over.
    pub fn register(&mut self, vm_id: &str, name: &[u8], vm: VmNumber, root: u32) -> u32 {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX).saturating_add(1);
        let number = *self.numbers.entry((vm_id.to_owned(), name.to_vec())).or_insert(next);
        let queue = self.queues.entry(number).or_insert(Queue { vm, root, items: VecDeque::new() });
        (queue.vm, queue.root) = (vm, root);
        number
    }

    /// Returns the number of the queue called `name`.
    #[must_use]
    pub fn resolve(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        self.numbers.get(&(vm_id.to_owned(), name.to_vec())).copied()
    }

    /// Appends `item` to a queue and schedules a wake-up of the VM that registered it.
    ///
    /// # Errors
    /// [`Status::NotFound`] if the number is unknown.
    pub fn enqueue(&mut self, number: u32, item: &[u8]) -> Result<(), Status> {
        let queue = self.queues.get_mut(&number).ok_or(Status::NotFound)?;
        queue.items.push_back(item.to_vec());
        self.wakes.push_back(Wake { vm: queue.vm, root: queue.root, queue: number });
        Ok(())
    }

    /// Removes and returns the oldest item of a queue.
    ///
    /// # Errors
    /// [`Status::NotFound`] if the number is unknown, [`Status::Empty`] if the queue is empty.
    pub fn dequeue(&mut self, number: u32) -> Result<Vec<u8>, Status> {
        let queue = self.queues.get_mut(&number).ok_or(Status::NotFound)?;
        queue.items.pop_front().ok_or(Status::Empty)
    }

    /// Returns true if a VM has a pending wake-up.
    #[must_use]
    pub fn wakes(&self, vm: VmNumber) -> bool {
        self.wakes.iter().any(|wake| wake.vm == vm)
    }

    /// Takes a VM's pending wake-ups, in the order of the items.
    pub fn take_wakes(&mut self, vm: VmNumber) -> Vec<Wake> {
        let (own, others): (Vec<_>, Vec<_>) = self.wakes.drain(..).partition(|w| w.vm == vm);
        self.wakes = others.into();
        own
    }

    /// Returns the number of items in all queues.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.items.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_changed_since_it_was_read_is_not_overwritten() {
        let mut data = SharedData::default();
        data.set("vm", b"k", b"1", 0).unwrap();
        let (_, cas) = data.get("vm", b"k").unwrap();
        data.set("vm", b"k", b"2", cas).unwrap();
        assert_eq!(data.set("vm", b"k", b"3", cas), Err(Status::CasMismatch));
        assert_eq!(data.get("vm", b"k").unwrap().0, b"2");
        data.set("vm", b"k", b"4", 0).unwrap();
        assert_eq!(data.get("vm", b"k").unwrap().0, b"4");
        assert_eq!(data.set("vm", b"new", b"5", 77), Ok(()), "a new key has no version to compare");
        assert_eq!(data.get("other", b"k"), None);
        assert_eq!((data.len(), data.bytes()), (2, 6));
    }

    #[test]
    fn the_latest_owner_of_a_queue_is_woken_once_per_item() {
        let mut queues = SharedQueues::default();
        let number = queues.register("vm", b"q", 1, 10);
        assert_eq!(queues.register("vm", b"q", 2, 20), number);
        assert_ne!(queues.register("vm", b"other", 1, 10), number);
        assert_eq!(queues.resolve("vm", b"q"), Some(number));
        assert_eq!(queues.resolve("elsewhere", b"q"), None);
        queues.enqueue(number, b"a").unwrap();
        queues.enqueue(number, b"b").unwrap();
        assert!(!queues.wakes(1));
        assert_eq!(queues.take_wakes(2), [Wake { vm: 2, root: 20, queue: number }; 2]);
        assert!(!queues.wakes(2));
        assert_eq!(queues.dequeue(number).unwrap(), b"a");
        assert_eq!(queues.dequeue(number).unwrap(), b"b");
        assert_eq!(queues.dequeue(number), Err(Status::Empty));
        assert_eq!(queues.dequeue(99), Err(Status::NotFound));
        assert_eq!(queues.enqueue(99, b""), Err(Status::NotFound));
    }
}
