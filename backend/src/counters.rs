//! Counters that are kept by their labels: looking one up in the registry, with labels made anew,
//! costs more than all else that counting takes.
//!
//! Used by [`crate::cache::meter`] and [`crate::ai::meter`] for what each cached answer counts.

use metrics::Counter;
use std::sync::OnceLock;

/// The most that are kept: more than any metric has. What comes on top is looked up each time.
const MAX: usize = 64;

/// The counters of one metric. Its labels are `K`, of which there are a few dozen at most.
#[derive(Debug)]
pub(crate) struct Counters<K>([OnceLock<(K, Counter)>; MAX]);

impl<K: Copy + PartialEq> Counters<K> {
    /// None yet: a counter is shown from the first time that something is counted.
    #[must_use]
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; MAX])
    }

    /// Counts `n`; `register` finds the counter the first time. It stays the same one, so the
    /// program's recorder has to be there before anything is counted.
    pub(crate) fn add(&self, labels: K, n: u64, register: impl Fn() -> Counter) {
        for kept in &self.0 {
            // Whoever was here first may have kept another: then the next place is looked at.
            let (known, counter) = kept.get_or_init(|| (labels, register()));
            if *known == labels {
                return counter.increment(n);
            }
        }
        register().increment(n);
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
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    #[test]
    fn each_is_found_once_and_counts_from_then_on() {
        let counters = Counters::new();
        let counts = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let found = Cell::new(0);
        for (label, n) in [(0, 1), (1, 10), (0, 2), (1, 20), (0, 4)] {
            counters.add(label, n, || {
                found.set(found.get() + 1);
                Counter::from_arc(Arc::clone(&counts[label]))
            });
        }
        assert_eq!(counts.map(|count| count.load(Ordering::Relaxed)), [7, 30]);
        assert_eq!(found.get(), 2);
    }

    #[test]
    fn what_is_too_many_counts_all_the_same() {
        let counters = Counters::new();
        let count = Arc::new(AtomicU64::new(0));
        for label in 0..2 * MAX {
            counters.add(label, 1, || Counter::from_arc(Arc::clone(&count)));
        }
        assert_eq!(count.load(Ordering::Relaxed), 2 * MAX as u64);
    }
}
