//! Values in this process's memory, in front of Redis, or instead of it. They are stored in their
//! final form, so a hit needs no parsing. Limited in bytes, measured as JSON.
//!
//! The values are not encrypted, since their keys pass through the same memory. A lookup must
//! present the entry's key, which is compared by its id. Entries leave when they expire.

use super::entry::Entry;
use super::seal::{KeyId, SealKey};
use moka::Expiry;
use moka::sync::Cache;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most memory used by values and their names.
pub(super) const MAX_BYTES: u64 = 64 << 20;
/// The largest value kept here, so that a few large ones can't evict all others.
const MAX_VALUE_BYTES: usize = 1 << 20;
/// The overhead per value.
const OVERHEAD_BYTES: usize = 200;

#[derive(Debug, Clone)]
pub(super) struct Memory(Cache<String, Arc<CachedValue>>);

struct CachedValue {
    key_id: KeyId,
    version: u64,
    ttl: Duration,
    stored: Stored<Box<dyn Any + Send + Sync>>,
}

/// A stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored<T> {
    pub(super) value: T,
    /// The length of the value's JSON.
    pub(super) json_bytes: usize,
    /// The time it was stored, in Unix milliseconds.
    pub(super) at_ms: i64,
}

struct ByTtl;

impl Expiry<String, Arc<CachedValue>> for ByTtl {
    fn expire_after_create(
        &self,
        _name: &String,
        cached: &Arc<CachedValue>,
        _now: Instant,
    ) -> Option<Duration> {
        Some(cached.ttl)
    }

    fn expire_after_update(
        &self,
        _name: &String,
        cached: &Arc<CachedValue>,
        _now: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(cached.ttl)
    }
}

impl Memory {
    pub(super) fn new(max_bytes: u64) -> Self {
        let weigh = |name: &String, cached: &Arc<CachedValue>| {
            let bytes = name.len() + cached.stored.json_bytes + OVERHEAD_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().max_capacity(max_bytes).weigher(weigh);
        Self(cache.expire_after(ByTtl).build())
    }

    /// Returns the value stored for this entry's version with this key.
    pub(super) fn get<T: Clone + 'static>(
        &self,
        entry: &Entry,
        key: &SealKey,
    ) -> Option<Stored<T>> {
        let cached = self.0.get(&entry.name)?;
        if cached.key_id != key.id() || cached.version != entry.version {
            return None;
        }
        let Stored { value, json_bytes, at_ms } = &cached.stored;
        let value = value.downcast_ref::<T>()?.clone();
        Some(Stored { value, json_bytes: *json_bytes, at_ms: *at_ms })
    }

    pub(super) fn put<T: Send + Sync + 'static>(
        &self,
        entry: &Entry,
        key: &SealKey,
        Stored { value, json_bytes, at_ms }: Stored<T>,
    ) {
        if json_bytes > MAX_VALUE_BYTES {
            return self.remove(&entry.name);
        }
        let stored =
            Stored { value: Box::new(value) as Box<dyn Any + Send + Sync>, json_bytes, at_ms };
        let cached =
            CachedValue { key_id: key.id(), version: entry.version, ttl: entry.ttl, stored };
        self.0.insert(entry.name.clone(), Arc::new(cached));
    }

    pub(super) fn remove(&self, name: &str) {
        self.0.invalidate(name);
    }

    /// Runs pending evictions now, so that tests see them.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        self.0.run_pending_tasks();
    }

    #[cfg(test)]
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the size of all values, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }
}

impl fmt::Debug for CachedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CachedValue({} bytes)", self.stored.json_bytes)
    }
}
