//! Answers that were given before. Routes use it in one line:
//! `cache.get_or_load(&entry, &key, use_, || …)`; [`Cache::flight`] is the same for a load that
//! tells how it goes on.
//!
//! A value is looked for in this process's `memory`, then in Redis (`remote`, over `link`),
//! sealed there with a key that Redis does not have (`seal`); what is in neither is loaded in a
//! `flight` that everyone who asks meanwhile shares (`flights`), and for what is dear to load
//! one process loads while others wait for it (`lock`). `entry` says what there is, `headers`
//! how HTTP tells of it.
//!
//! # Nothing stale, whatever fails
//! A value is stored with the version of its entry, and is used for that version alone. Whoever
//! asks knows the present version from the database: it comes with the session, which every request
//! looks up, and changes in the transaction that changes what is cached. So there is nothing that a
//! slow reader, another process's memory, a Redis that was away and comes back with old values, or a
//! process that died between its commit and its invalidation could bring back: what they have is of
//! another version. [`Cache::invalidate`] only frees the room, and no tombstones, messages between
//! processes or debts to a Redis that is away are needed. What never changes has version 0.
//!
//! # When Redis is away
//! Nothing waits for it (`link`'s breaker): memory answers, and what it has not is loaded, by each
//! process for itself. When it is back it is used again at once; what it kept is still right.

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

/// How long a process that waits for another's load pauses between looking, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The cache of one process. Clones share it.
#[derive(Debug, Clone)]
pub struct Cache {
    enabled: bool,
    ttls: Ttls,
    memory: Memory,
    remote: Remote,
    flights: Flights,
}

/// What a load gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The value.
    pub value: T,
    /// Whether it may be stored: not if it is incomplete, or only the second best.
    pub keep: bool,
}

/// What the cache may do for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Answer with what is stored, or is being loaded.
    pub read: bool,
    /// Store what is loaded.
    pub store: bool,
}

impl Use {
    /// Both.
    pub const EVERYTHING: Self = Self { read: true, store: true };
    /// Neither.
    pub const NOTHING: Self = Self { read: false, store: false };
}

impl<T> Loaded<T> {
    /// A value that may be stored.
    pub const fn keep(value: T) -> Self {
        Self { value, keep: true }
    }
}

/// What someone wants.
struct Wish {
    entry: Entry,
    key: SealKey,
    use_: Use,
}

/// What looking for a value came to.
enum Found<T> {
    Value(T, Source),
    /// Nothing; with the lock, if one was to be had.
    Nothing(Option<Held>),
}

impl Cache {
    /// A cache that has `link`'s Redis behind it, or none. If it is not `enabled`, everything is
    /// loaded, each time.
    #[must_use]
    pub fn new(enabled: bool, ttls: Ttls, link: Link) -> Self {
        let (memory, flights) = (Memory::new(memory::MAX_BYTES), Flights::new(MAX_FLIGHTS));
        Self { enabled, ttls, memory, remote: Remote::new(link), flights }
    }

    /// How long values are good for.
    #[must_use]
    pub fn ttls(&self) -> &Ttls {
        &self.ttls
    }

    /// The entry's value: what is stored, what is being loaded, or else what `load` gives. `load`
    /// runs to its end whether or not anyone still waits for it.
    ///
    /// # Errors
    /// What the load failed with, which everyone who waited for it is told; or [`Aborted`].
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

    /// The same for a load that tells how it goes on: everyone who waits can follow.
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
            if let Some(cached) = self.remembered(entry, key) {
                return Flight::landed(route, cached);
            }
            match self.flights.board(entry, key, || self.remembered(entry, key)) {
                Boarding::There(cached) => return Flight::landed(route, cached),
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
        let wish = Wish { entry: entry.clone(), key: key.clone(), use_ };
        let flying = self.clone().fly(wish, takeoff, load);
        tokio::spawn(flying.instrument(tracing::Span::current()));
        Flight::waiting(route, progress, role)
    }

    /// The entry's value as far as this process's memory has it: what [`Self::flight`] gives then,
    /// without anything to load it with.
    #[must_use]
    pub fn kept<T: Clone + 'static, E>(
        &self,
        entry: &Entry,
        key: &SealKey,
        use_: Use,
    ) -> Option<Flight<T, E>> {
        let cached = (self.enabled && use_.read).then(|| self.remembered(entry, key))??;
        Some(Flight::landed(entry.kind.route(), cached))
    }

    /// Drops the entry's value wherever it is. What anyone still puts back is of an older version,
    /// and is not used: see the top of this file.
    pub async fn invalidate(&self, entry: &Entry) {
        self.invalidate_all(std::slice::from_ref(entry)).await;
    }

    /// The same for several entries.
    pub async fn invalidate_all(&self, entries: &[Entry]) {
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        for name in &names {
            self.memory.remove(name);
        }
        if self.enabled && self.remote.link.is_up() {
            // What cannot be dropped goes when its time is over.
            let _dropped = self.remote.remove(&names).await;
        }
    }

    /// Looks, loads and stores, as wished. The flight leaves the table when all is stored, and then
    /// those who wait are told.
    async fn fly<T, E>(
        self,
        wish: Wish,
        takeoff: Takeoff<T, E>,
        load: impl Future<Output = Result<Loaded<T>, E>>,
    ) where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        E: From<Aborted>,
    {
        let found = if wish.use_.read { self.find(&wish).await } else { Found::Nothing(None) };
        let landed = match found {
            Found::Value(value, source) => Ok((value, source)),
            Found::Nothing(held) => {
                let loaded = self.load(&wish, load).await;
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
        wish: &Wish,
        load: impl Future<Output = Result<Loaded<T>, E>>,
    ) -> Landed<T, E>
    where
        T: Serialize + Clone + Send + Sync + 'static,
        E: From<Aborted>,
    {
        match timeout(wish.entry.kind.longest_load(), load).await {
            Ok(Ok(Loaded { value, keep })) => {
                if keep && wish.use_.store {
                    self.store(wish, &value).await;
                }
                Ok((value, Source::Loaded))
            }
            Ok(Err(error)) => Err(Arc::new(error)),
            Err(_elapsed) => Err(Arc::new(Aborted::TooSlow.into())),
        }
    }

    async fn store<T>(&self, Wish { entry, key, .. }: &Wish, value: &T)
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
                // Without it, it is loaded again: nothing worse.
                let _stored = self.remote.put(entry, &sealed).await;
            }
            Some(Err(error)) => tracing::warn!(%error, name = entry.name, "not stored"),
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

    /// What memory has.
    fn remembered<T: Clone + 'static>(&self, entry: &Entry, key: &SealKey) -> Option<Cached<T>> {
        let Stored { value, at_ms, .. } = self.memory.get(entry, key)?;
        let age_s = age_s(entry, at_ms)?;
        Some(Cached { value, origin: Origin::Hit { age_s } })
    }

    /// What Redis has, or gets while this process waits.
    async fn find<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        wish: &Wish,
    ) -> Found<T> {
        if let Some((value, age_s)) = self.fetch(wish).await {
            return Found::Value(value, Source::Stored { age_s });
        }
        if !wish.entry.kind.is_dear() || !self.remote.link.is_up() {
            return Found::Nothing(None);
        }
        let waiting = timeout(wish.entry.kind.longest_load(), self.claim(wish));
        waiting.await.unwrap_or(Found::Nothing(None))
    }

    /// Takes the lock, or waits for what its holder loads. A holder that ends without a value, or
    /// vanishes, is followed by another; without Redis nobody waits.
    async fn claim<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        wish: &Wish,
    ) -> Found<T> {
        let mut pause = FIRST_PAUSE;
        loop {
            match lock::take(&self.remote.link, &wish.entry).await {
                Err(_away) => return Found::Nothing(None),
                Ok(Some(held)) => return self.unless_just_loaded(wish, held).await,
                Ok(None) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if let Some((value, _age_s)) = self.fetch(wish).await {
                return Found::Value(value, Source::Elsewhere);
            }
        }
    }

    /// Its last holder may have stored the value after we looked and before we had the lock.
    async fn unless_just_loaded<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        wish: &Wish,
        held: Held,
    ) -> Found<T> {
        match self.fetch(wish).await {
            Some((value, _age_s)) => {
                held.release().await;
                Found::Value(value, Source::Elsewhere)
            }
            None => Found::Nothing(Some(held)),
        }
    }

    /// What Redis has, and its age; memory has it from then on.
    async fn fetch<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        wish: &Wish,
    ) -> Option<(T, u64)> {
        let Wish { entry, key, .. } = wish;
        let opened = self.remote.get(entry, key).await.ok()??;
        let Opened { value: json, stored_at_ms: at_ms } = opened;
        let age_s = age_s(entry, at_ms)?;
        let value: T = serde_json::from_slice(&json).ok()?;
        self.remember(entry, key, Stored { value: value.clone(), json_bytes: json.len(), at_ms });
        Some((value, age_s))
    }
}

/// How old it is, if it is still good. (A clock that is behind the one that stored it makes it new.)
fn age_s(entry: &Entry, stored_at_ms: i64) -> Option<u64> {
    let age_ms = u64::try_from(now_ms().saturating_sub(stored_at_ms)).unwrap_or(0);
    (u128::from(age_ms) < entry.ttl.as_millis()).then_some(age_ms / 1000)
}

fn now_ms() -> i64 {
    clock::now().as_millisecond()
}
