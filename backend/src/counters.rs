//! Counters that are kept by their labels: looking one up in the registry, with labels made anew,
//! costs more than all else that counting takes.
//!
//! Used by [`crate::cache::meter`] and [`crate::ai::meter`] for what each cached answer counts.

use metrics::Counter;
use std::sync::{PoisonError, RwLock};

/// The counters of one metric. Its labels are `K`, of which there are a few dozen at most.
#[derive(Debug)]
pub struct Counters<K>(RwLock<Vec<(K, Counter)>>);

impl<K: Copy + PartialEq> Counters<K> {
    /// None yet: a counter is shown from the first time that something is counted.
    #[must_use]
    pub const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    /// Counts `n`; `register` finds the counter the first time. It stays the same one, so the
    /// program's recorder has to be there before anything is counted.
    pub fn add(&self, labels: K, n: u64, register: impl FnOnce() -> Counter) {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = kept.iter().find(|(known, _)| *known == labels) {
            return counter.increment(n);
        }
        drop(kept);
        let counter = register();
        counter.increment(n);
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever was here first has kept the same one.
        if kept.iter().all(|(known, _)| *known != labels) {
            kept.push((labels, counter));
        }
    }
}

impl<K: Copy + PartialEq> Default for Counters<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::atomics::AtomicU64;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    #[test]
    fn each_is_found_once_and_counts_from_then_on() {
        let counters = Counters::new();
        let counts = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let mut found = 0;
        for (label, n) in [(0, 1), (1, 10), (0, 2), (1, 20), (0, 4)] {
            counters.add(label, n, || {
                found += 1;
                Counter::from_arc(Arc::clone(&counts[label]))
            });
        }
        assert_eq!(counts.map(|count| count.load(Ordering::Relaxed)), [7, 30]);
        assert_eq!(found, 2);
    }
}
