//! Values in this process's memory, in front of Redis and in place of it: plain JSON, bounded in
//! bytes.
//!
//! They are not sealed: the keys that would seal them pass through the same memory. Nobody gets
//! one without its key, which is compared by its id; and none stays longer than it is good for.

use super::entry::Entry;
use super::seal::{KeyId, Opened, SealKey};
use moka::Expiry;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most memory that values and their names take.
pub(super) const MAX_BYTES: u64 = 64 << 20;
/// The largest that is kept here: a few of its size must not push out all others.
const MAX_VALUE_BYTES: usize = 1 << 20;
/// What a value takes beside its bytes.
const OVERHEAD_BYTES: usize = 200;

#[derive(Debug, Clone)]
pub(super) struct Memory(Cache<String, Arc<Kept>>);

#[derive(Debug)]
struct Kept {
    key_id: KeyId,
    version: u64,
    ttl: Duration,
    opened: Opened,
}

struct ByTtl;

impl Expiry<String, Arc<Kept>> for ByTtl {
    fn expire_after_create(
        &self,
        _name: &String,
        kept: &Arc<Kept>,
        _now: Instant,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }

    fn expire_after_update(
        &self,
        _name: &String,
        kept: &Arc<Kept>,
        _now: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }
}

impl Memory {
    pub(super) fn new(max_bytes: u64) -> Self {
        let weigh = |name: &String, kept: &Arc<Kept>| {
            let bytes = name.len() + kept.opened.value.len() + OVERHEAD_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().max_capacity(max_bytes).weigher(weigh);
        Self(kept.expire_after(ByTtl).build())
    }

    /// What `look` makes of the value of this entry's version that was put here with this key.
    pub(super) fn look<T>(
        &self,
        entry: &Entry,
        key: &SealKey,
        look: impl FnOnce(&Opened) -> Option<T>,
    ) -> Option<T> {
        let kept = self.0.get(&entry.name)?;
        (kept.key_id == key.id() && kept.version == entry.version).then(|| look(&kept.opened))?
    }

    pub(super) fn put(&self, entry: &Entry, key: &SealKey, opened: Opened) {
        if opened.value.len() > MAX_VALUE_BYTES {
            return self.remove(&entry.name);
        }
        let kept = Kept { key_id: key.id(), version: entry.version, ttl: entry.ttl, opened };
        self.0.insert(entry.name.clone(), Arc::new(kept));
    }

    pub(super) fn remove(&self, name: &str) {
        self.0.invalidate(name);
    }

    /// Does what is otherwise done little by little, so that a test sees it.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        self.0.run_pending_tasks();
    }

    #[cfg(test)]
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// How much is kept, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }
}
