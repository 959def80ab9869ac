//! Counters cached by their labels. Looking a counter up in the registry, with newly allocated
//! labels, costs more than the rest of counting.
//!
//! Used by [`crate::cache::meter`] and [`crate::ai::meter`] for the counts of each cached answer.

use metrics::Counter;
use std::sync::OnceLock;

/// The most cached counters, more than any metric has. Any beyond are looked up each time.
const MAX: usize = 64;

/// The counters of one metric, by their labels `K`.
#[derive(Debug)]
pub(crate) struct Counters<K>([OnceLock<(K, Counter)>; MAX]);

impl<K: Copy + PartialEq> Counters<K> {
    /// Creates an empty cache. A counter appears in the metrics on first use.
    #[must_use]
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; MAX])
    }

    /// Adds `n`. `register` looks the counter up on first use. The recorder must be installed
    /// before the first call, because the counter stays cached.
    pub(crate) fn add(&self, labels: K, n: u64, register: impl Fn() -> Counter) {
        for slot in &self.0 {
            // Another thread may have filled this slot with other labels. Then try the next.
            let (known, counter) = slot.get_or_init(|| (labels, register()));
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
    fn each_counter_is_registered_once() {
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
    fn counters_beyond_the_limit_still_count() {
        let counters = Counters::new();
        let count = Arc::new(AtomicU64::new(0));
        for label in 0..2 * MAX {
            counters.add(label, 1, || Counter::from_arc(Arc::clone(&count)));
        }
        assert_eq!(count.load(Ordering::Relaxed), 2 * MAX as u64);
    }
}
