//! Compares tiers, for requests that belong to several. Called by `choose`.

use crate::policy::Algorithm;
use std::cmp::Ordering;

/// A tier's limit and the time that it is for. Compared by the requests that the tier admits over
/// time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    limit: u64,
    ms: u64,
}

impl Pace {
    pub(super) const fn of(algorithm: &Algorithm, limit: u64) -> Self {
        match algorithm {
            Algorithm::SlidingWindow { window_ms } => Self { limit, ms: window_ms.get() },
            Algorithm::FixedWindow { per, .. } => Self { limit, ms: per.nominal_ms() },
            Algorithm::TokenBucket(bucket) => Self { limit: bucket.rate(), ms: bucket.per_ms() },
            Algorithm::Balance => Self { limit, ms: u64::MAX },
        }
    }
}

impl Ord for Pace {
    fn cmp(&self, other: &Self) -> Ordering {
        let product = |limit: u64, ms: u64| u128::from(limit) * u128::from(ms);
        product(self.limit, other.ms).cmp(&product(other.limit, self.ms))
    }
}

impl PartialOrd for Pace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pace {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pace {}
