//! The cache. A route calls `cache.get_or_load(&entry, &key, use_, || …)`. [`Cache::flight`] does
//! the same for a load that streams its progress.
//!
//! A value is looked up in this process's `memory`, then in Redis (`remote`, over `link`), where it
//! is encrypted with a key that Redis does not have (`seal`). On a miss in both it is loaded in a
//! `flight` shared by all concurrent callers (`flights`). For values that are expensive to load,
//! one process loads while the others wait (`lock`). `entry` lists what can be cached, and
//! `headers` maps the cache to HTTP.
//!
//! # Never stale, whatever fails
//! A value is stored with its entry's version, and is used only for that version. Callers know the
//! current version from the database: it comes with the session that every request looks up, and
//! changes in the transaction that changes the cached data. So nothing can bring an old value back,
//! be it a slow reader, another process's memory, a Redis that returns with old data, or a process
//! that died between commit and invalidation: their values have an older version.
//! [`Cache::invalidate`] only frees space. The cache needs no tombstones, no messages between
//! processes, and no replay after a Redis outage. Immutable data has version 0.
//!
//! # When Redis is down
//! Nothing waits for Redis (`link` has a circuit breaker). Memory answers, and on a miss each
//! process loads for itself. When Redis is back it is used at once, and its values are still
//! correct.

pub(crate) mod entry;
pub(crate) mod flight;
mod flights;
pub(crate) mod headers;
pub(crate) mod link;
mod lock;
mod memory;
pub(crate) mod meter;
mod outcome;
mod remote;
pub(crate) mod seal;
pub(crate) mod shared;
#[cfg(test)]
mod tests;

pub use entry::{Entry, Kind, Ttls};
pub use flight::{Deltas, Flight};
pub use link::{Link, LinkSettings, RedisState};
pub use outcome::{Aborted, Cached, Origin};
pub use seal::SealKey;
pub use shared::Shared;

use crate::clock;
use flight::{Landed, Role, Source};
use flights::{Boarding, Flights, MAX_FLIGHTS, Takeoff};
use lock::Held;
use memory::{Memory, Stored};
use remote::Remote;
use seal::Opened;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

/// The first and the longest pause between checks while waiting for another process's load.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A process's cache. Clones share it.
#[derive(Debug, Clone)]
pub struct Cache {
    enabled: bool,
    ttls: Ttls,
    memory: Memory,
    remote: Remote,
    flights: Flights,
}

/// The result of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The value.
    pub value: T,
    /// True if the value may be stored. False for an incomplete or fallback value.
    pub keep: bool,
}

/// The uses of the cache that a request allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Answer from the cache, or join a load in progress.
    pub read: bool,
    /// Store the loaded value.
    pub store: bool,
}

impl Use {
    /// Read and store.
    pub const EVERYTHING: Self = Self { read: true, store: true };
    /// Neither read nor store.
    pub const NOTHING: Self = Self { read: false, store: false };
}

impl<T> Loaded<T> {
    /// Returns a value that may be stored.
    pub const fn keep(value: T) -> Self {
        Self { value, keep: true }
    }
}

/// A cache lookup.
struct Lookup {
    entry: Entry,
    key: SealKey,
    use_: Use,
}

/// The outcome of a lookup.
enum Found<T> {
    Value(T, Source),
    /// A miss, with the lock if it was acquired.
    Nothing(Option<Held>),
}

impl Cache {
    /// Creates a cache backed by `link`'s Redis, if it has one. A disabled cache loads every value
    /// afresh.
    #[must_use]
    pub fn new(enabled: bool, ttls: Ttls, link: Link) -> Self {
        let (memory, flights) = (Memory::new(memory::MAX_BYTES), Flights::new(MAX_FLIGHTS));
        Self { enabled, ttls, memory, remote: Remote::new(link), flights }
    }

    /// Returns the values' lifetimes.
    #[must_use]
    pub fn ttls(&self) -> &Ttls {
        &self.ttls
    }

    /// Returns the entry's value: stored, being loaded, or from `load`. Once started, `load` runs
    /// to its end even if every caller has gone.
    ///
    /// # Errors
    /// The load's error, shared by all who waited for it, or [`Aborted`].
    pub async fn get_or_load<T, E, F>(
        &self,
        entry: &Entry,
        key: &SealKey,
        use_: Use,
        load: impl FnOnce() -> F,
    ) -> Result<Cached<T>, Arc<E>>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        E: From<Aborted> + Send + Sync + 'static,
        F: Future<Output = Result<Loaded<T>, E>> + Send + 'static,
    {
        self.flight(entry, key, use_, |_deltas| load()).result().await
    }

    /// Like [`Self::get_or_load`], for a load that streams its progress to all callers that wait.
    pub fn flight<T, E, F>(
        &self,
        entry: &Entry,
        key: &SealKey,
        use_: Use,
        load: impl FnOnce(Deltas) -> F,
    ) -> Flight<T, E>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        E: From<Aborted> + Send + Sync + 'static,
        F: Future<Output = Result<Loaded<T>, E>> + Send + 'static,
    {
        let route = entry.kind.route();
        let use_ = if self.enabled { use_ } else { Use::NOTHING };
        let (takeoff, role) = if use_.read {
            if let Some(cached) = self.find_in_memory(entry, key) {
                return Flight::landed(route, cached);
            }
            match self.flights.board(entry, key, || self.find_in_memory(entry, key)) {
                Boarding::Cached(cached) => return Flight::landed(route, cached),
                Boarding::Joined(progress) => {
                    return Flight::waiting(route, progress, Role::Joined);
                }
                Boarding::First(takeoff) => (Some(takeoff), Role::First),
                Boarding::Full => (None, Role::First),
            }
        } else {
            (self.flights.alone(), Role::Alone)
        };
        let Some(takeoff) = takeoff else { return Flight::refused(route, Aborted::TooMany) };
        let progress = takeoff.sender.subscribe();
        let load = load(Deltas::through(&takeoff.sender));
        let lookup = Lookup { entry: entry.clone(), key: key.clone(), use_ };
        let flying = self.clone().fly(lookup, takeoff, load);
        tokio::spawn(flying.instrument(tracing::Span::current()));
        Flight::waiting(route, progress, role)
    }

    /// Returns a flight with the entry's value if this process's memory has it. Never loads.
    #[must_use]
    pub fn in_memory<T: Clone + 'static, E>(
        &self,
        entry: &Entry,
        key: &SealKey,
        use_: Use,
    ) -> Option<Flight<T, E>> {
        let cached = (self.enabled && use_.read).then(|| self.find_in_memory(entry, key))??;
        Some(Flight::landed(entry.kind.route(), cached))
    }

    /// Removes the entry's value from memory and Redis. A concurrent load may still store an older
    /// version, which is never used: see the module docs.
    pub async fn invalidate(&self, entry: &Entry) {
        self.invalidate_all(std::slice::from_ref(entry)).await;
    }

    /// Invalidates several entries.
    pub async fn invalidate_all(&self, entries: &[Entry]) {
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        for name in &names {
            self.memory.remove(name);
        }
        if self.enabled && self.remote.link.is_up() {
            // A value that cannot be removed expires.
            let _dropped = self.remote.remove(&names).await;
        }
    }

    /// Looks up, loads and stores as requested. The flight leaves the table after the value is
    /// stored and before its waiters are notified.
    async fn fly<T, E>(
        self,
        lookup: Lookup,
        takeoff: Takeoff<T, E>,
        load: impl Future<Output = Result<Loaded<T>, E>>,
    ) where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        E: From<Aborted>,
    {
        let found = if lookup.use_.read { self.find(&lookup).await } else { Found::Nothing(None) };
        let landed = match found {
            Found::Value(value, source) => Ok((value, source)),
            Found::Nothing(held) => {
                let loaded = self.load(&lookup, load).await;
                if let Some(held) = held {
                    held.release().await;
                }
                loaded
            }
        };
        takeoff.land(landed);
    }

    async fn load<T, E>(
        &self,
        lookup: &Lookup,
        load: impl Future<Output = Result<Loaded<T>, E>>,
    ) -> Landed<T, E>
    where
        T: Serialize + Clone + Send + Sync + 'static,
        E: From<Aborted>,
    {
        match timeout(lookup.entry.kind.longest_load(), load).await {
            Ok(Ok(Loaded { value, keep })) => {
                if keep && lookup.use_.store {
                    self.store(lookup, &value).await;
                }
                Ok((value, Source::Loaded))
            }
            Ok(Err(error)) => Err(Arc::new(error)),
            Err(_elapsed) => Err(Arc::new(Aborted::TooSlow.into())),
        }
    }

    async fn store<T>(&self, Lookup { entry, key, .. }: &Lookup, value: &T)
    where
        T: Serialize + Clone + Send + Sync + 'static,
    {
        let at_ms = now_ms();
        let Ok(json) = serde_json::to_vec(value) else { return };
        let sealed = self.remote.link.is_up().then(|| key.seal(entry, &json, at_ms));
        let value = value.clone();
        self.remember(entry, key, Stored { value, json_bytes: json.len(), at_ms });
        match sealed {
            Some(Ok(sealed)) => {
                // A failed write only means another load later.
                let _stored = self.remote.put(entry, &sealed).await;
            }
            Some(Err(error)) => {
                tracing::warn!(%error, name = entry.name, "cannot seal a value for redis: not stored there")
            }
            None => {}
        }
    }

    fn remember<T>(&self, entry: &Entry, key: &SealKey, stored: Stored<T>)
    where
        T: Send + Sync + 'static,
    {
        self.memory.put(entry, key, stored);
        meter::memory(self.memory.bytes());
    }

    /// Returns the value in this process's memory.
    fn find_in_memory<T: Clone + 'static>(
        &self,
        entry: &Entry,
        key: &SealKey,
    ) -> Option<Cached<T>> {
        let Stored { value, at_ms, .. } = self.memory.get(entry, key)?;
        let age_s = age_s(entry, at_ms)?;
        Some(Cached { value, origin: Origin::Hit { age_s } })
    }

    /// Looks the value up in Redis, waiting for another process's load if there is one.
    async fn find<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        lookup: &Lookup,
    ) -> Found<T> {
        if let Some((value, age_s)) = self.fetch(lookup).await {
            return Found::Value(value, Source::Stored { age_s });
        }
        if !lookup.entry.kind.is_expensive() || !self.remote.link.is_up() {
            return Found::Nothing(None);
        }
        let waiting = timeout(lookup.entry.kind.longest_load(), self.claim(lookup));
        waiting.await.unwrap_or(Found::Nothing(None))
    }

    /// Takes the lock, or waits for the value its holder loads. If the holder fails or vanishes,
    /// the next process takes over. Without Redis nobody waits.
    async fn claim<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        lookup: &Lookup,
    ) -> Found<T> {
        let mut pause = FIRST_PAUSE;
        loop {
            match lock::take(&self.remote.link, &lookup.entry).await {
                Err(_away) => return Found::Nothing(None),
                Ok(Some(held)) => return self.recheck(lookup, held).await,
                Ok(None) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if let Some((value, _age_s)) = self.fetch(lookup).await {
                return Found::Value(value, Source::Elsewhere);
            }
        }
    }

    /// Looks again now that the lock is held: its last holder may have stored the value between the
    /// first lookup and this one.
    async fn recheck<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        lookup: &Lookup,
        held: Held,
    ) -> Found<T> {
        match self.fetch(lookup).await {
            Some((value, _age_s)) => {
                held.release().await;
                Found::Value(value, Source::Elsewhere)
            }
            None => Found::Nothing(Some(held)),
        }
    }

    /// Fetches the value and its age from Redis, and keeps it in memory.
    async fn fetch<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        lookup: &Lookup,
    ) -> Option<(T, u64)> {
        let Lookup { entry, key, .. } = lookup;
        let opened = self.remote.get(entry, key).await.ok()??;
        let Opened { value: json, stored_at_ms: at_ms } = opened;
        let age_s = age_s(entry, at_ms)?;
        let value: T = serde_json::from_slice(&json).ok()?;
        self.remember(entry, key, Stored { value: value.clone(), json_bytes: json.len(), at_ms });
        Some((value, age_s))
    }
}

/// Returns the value's age in seconds, or `None` if it has expired. A value stored by a clock that
/// is ahead of ours counts as new.
fn age_s(entry: &Entry, stored_at_ms: i64) -> Option<u64> {
    let age_ms = u64::try_from(now_ms().saturating_sub(stored_at_ms)).unwrap_or(0);
    (u128::from(age_ms) < entry.ttl.as_millis()).then_some(age_ms / 1000)
}

fn now_ms() -> i64 {
    clock::now().as_millisecond()
}
