//! Counters of this process for the time when the ledger is unavailable (`on_failure: local`).
//!
//! They outlive a policy, so that replacing it forgets nothing.

use limits::gate::SharedData;
use rustc_hash::FxHashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

type Values = FxHashMap<String, (Vec<u8>, u32)>;

static VALUES: LazyLock<Mutex<Values>> = LazyLock::new(Mutex::default);

/// The process's shared values, each with its version.
pub(crate) struct Local;

fn lock() -> MutexGuard<'static, Values> {
    VALUES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets all values.
#[cfg(feature = "simulated")]
pub(crate) fn clear() {
    lock().clear();
}

impl SharedData for Local {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        lock().get(name).cloned()
    }

    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut values = lock();
        let current = values.get(name).map(|(_, version)| *version);
        if version.is_some() && version != current {
            return false;
        }
        let next = current.unwrap_or(0).wrapping_add(1);
        values.insert(name.to_owned(), (value.to_vec(), next));
        true
    }
}
