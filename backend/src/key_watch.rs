//! The signing keys in use, kept in sync with the database: keys that another process adds or
//! removes take effect without a restart.
//!
//! Opened by `crate::accounts`. The command `tollgate-backend rotate-key` rotates keys while any
//! number of services run.

use crate::clock;
use crate::keys::{KeyError, KeyRing, ScheduledKey, Seed};
use crate::store::signing_keys::{self, Added};
use crate::store::{Store, StoreError};
use crate::token::MAX_TTL_S;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// The interval between reloads.
const INTERVAL: Duration = Duration::from_secs(5);
/// The shortest interval between extra reloads for tokens with an unknown key.
const MIN_RELOAD_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// The time between publishing a key and signing with it. Longer than clients cache the published
/// keys ([`crate::routes::jwks`] allows 300 s), and the gateway's refresh interval.
const PUBLISHED_AHEAD: SignedDuration = SignedDuration::from_secs(600);

/// The signing keys of one database.
pub struct KeyWatch {
    store: Store,
    ring: RwLock<Arc<KeyRing>>,
    reloaded_at: Mutex<Timestamp>,
}

/// Keys that cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyWatchError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The maximum number of keys is stored, so none can be added.
    #[error(
        "expected fewer than {} keys: wait until the oldest one's tokens have expired, or use --now",
        signing_keys::MAX_KEYS
    )]
    TooMany,
}

impl KeyWatch {
    /// Reads the keys in `store`. Creates the first key of a new database.
    ///
    /// # Errors
    /// Fails if the keys can neither be read nor created.
    pub async fn open(store: Store, now: Timestamp) -> Result<Self, KeyWatchError> {
        let keys = signing_keys::all_or(&store, &Seed::generate()?, now).await?;
        let ring = RwLock::new(Arc::new(KeyRing::scheduled(&keys, now)?));
        Ok(Self { store, ring, reloaded_at: Mutex::new(now) })
    }

    /// Returns the keys as last read.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns true if a key with this id is in use.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).has(kid)
    }

    /// Reads the keys again, for a token with an unknown key. Queries the database at most once a
    /// second, however many of these tokens arrive.
    ///
    /// # Errors
    /// [`KeyWatchError`]; then the keys stay unchanged.
    pub async fn reload_for_unknown_key(
        &self,
        now: Timestamp,
    ) -> Result<Arc<KeyRing>, KeyWatchError> {
        if self.may_reload(now) {
            self.reload(now).await?;
        }
        Ok(self.ring())
    }

    fn may_reload(&self, now: Timestamp) -> bool {
        let mut reloaded_at = self.reloaded_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = now.duration_since(*reloaded_at) >= MIN_RELOAD_INTERVAL;
        if may {
            *reloaded_at = now;
        }
        may
    }

    async fn reload(&self, now: Timestamp) -> Result<(), KeyWatchError> {
        let keys = signing_keys::all(&self.store).await?;
        let ring = Arc::new(KeyRing::scheduled(&keys, now)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    /// Starts reloading the keys periodically, until the last reference is dropped.
    pub fn keep_up_to_date(self: &Arc<Self>) {
        let watch = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut ticks = interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(watch) = watch.upgrade() else { break };
                if let Err(error) = watch.reload(clock::now()).await {
                    tracing::warn!(%error, "cannot read the signing keys: continuing with the previous ones");
                }
            }
        });
    }
}

/// Adds a key to the database. It starts to sign once every process and client can have seen it.
///
/// # Errors
/// [`KeyWatchError`]; then nothing changed.
pub async fn rotate(store: &Store, now: Timestamp) -> Result<(), KeyWatchError> {
    let signs_from = now.saturating_add(PUBLISHED_AHEAD).unwrap_or(now);
    let next = ScheduledKey { seed: Seed::generate()?, signs_from };
    let longest = SignedDuration::from_secs(i64::from(MAX_TTL_S));
    let replaced_by = now.saturating_sub(longest).unwrap_or(now);
    match signing_keys::rotate(store, &next, replaced_by, now).await? {
        Added::Added => Ok(()),
        Added::TooMany => Err(KeyWatchError::TooMany),
    }
}

/// Replaces all keys at once. All access tokens signed with them become invalid.
///
/// # Errors
/// [`KeyWatchError`]; then nothing changed.
pub async fn replace_all(store: &Store, now: Timestamp) -> Result<(), KeyWatchError> {
    Ok(signing_keys::replace_all(store, &Seed::generate()?, now).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;
    use tempfile::TempDir;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).unwrap()
    }

    #[tokio::test]
    async fn unknown_keys_reload_at_most_once_a_second() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&Place::Sqlite(dir.path().join("test.db"))).await.unwrap();
        let watch = KeyWatch::open(store.clone(), at(0)).await.unwrap();
        let before = watch.ring().signing().kid.clone();
        replace_all(&store, at(0)).await.unwrap();
        let early = at(1) - SignedDuration::from_millis(1);
        assert_eq!(watch.reload_for_unknown_key(early).await.unwrap().signing().kid, before);
        let after = watch.reload_for_unknown_key(at(1)).await.unwrap().signing().kid.clone();
        assert_ne!(after, before);

        replace_all(&store, at(1)).await.unwrap();
        assert_eq!(watch.reload_for_unknown_key(at(1)).await.unwrap().signing().kid, after);
    }

    #[tokio::test]
    async fn a_new_key_is_published_before_it_signs() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&Place::Sqlite(dir.path().join("test.db"))).await.unwrap();
        let watch = KeyWatch::open(store.clone(), at(0)).await.unwrap();
        let before = watch.ring().signing().kid.clone();
        rotate(&store, at(0)).await.unwrap();
        let during = watch.reload_for_unknown_key(at(599)).await.unwrap();
        assert_eq!((during.published().keys.len(), &during.signing().kid), (2, &before));
        assert_ne!(watch.reload_for_unknown_key(at(600)).await.unwrap().signing().kid, before);

        // A day after the second key started to sign, the first key's last token has expired.
        for (now_s, keys) in [(600 + 86_399, 3), (600 + 86_400, 3)] {
            rotate(&store, at(now_s)).await.unwrap();
            let ring = watch.reload_for_unknown_key(at(now_s)).await.unwrap();
            assert_eq!(ring.published().keys.len(), keys, "at {now_s} s");
        }
    }
}
