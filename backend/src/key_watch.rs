//! The keys in use, kept up to date with the database: a key that another process has added, or
//! taken away, is seen without a restart.
//!
//! Opened by `crate::accounts`; rotation itself is `tollgate-backend rotate-key`, which may run
//! beside any number of services.

use crate::clock;
use crate::keys::{KeyError, KeyRing, ScheduledKey, Seed};
use crate::store::signing_keys::{self, Added};
use crate::store::{Store, StoreError};
use crate::token::MAX_TTL_S;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often the database is asked for its keys.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often a token of an unknown key may have it asked besides.
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(1);
/// How long a new key is published before it signs: longer than anyone keeps the published keys
/// ([`crate::routes::jwks`] allows 300 s), and than the gateway takes to fetch them again.
const PUBLISHED_AHEAD: SignedDuration = SignedDuration::from_secs(600);

/// The keys of one database.
pub struct KeyWatch {
    store: Store,
    ring: RwLock<Arc<KeyRing>>,
    asked_at: Mutex<Timestamp>,
}

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyWatchError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it holds cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There are too many keys to add one.
    #[error(
        "expected fewer than {} keys: wait until the oldest one's tokens have expired, or use --now",
        signing_keys::MAX_KEYS
    )]
    TooMany,
}

impl KeyWatch {
    /// The keys in `store`. A new database gets its first one here.
    ///
    /// # Errors
    /// [`KeyWatchError`] where there are none and none can be made.
    pub async fn open(store: Store, now: Timestamp) -> Result<Self, KeyWatchError> {
        let keys = signing_keys::all_or(&store, &Seed::generate()?, now).await?;
        let ring = RwLock::new(Arc::new(KeyRing::scheduled(&keys, now)?));
        Ok(Self { store, ring, asked_at: Mutex::new(now) })
    }

    /// The keys as last read.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is a key of this name among them.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).has(kid)
    }

    /// The keys as they are now, for a token whose key is unknown. However many such tokens come,
    /// the database is asked once a second.
    ///
    /// # Errors
    /// [`KeyWatchError`]; then the keys stay as they were.
    pub async fn asked_again(&self, now: Timestamp) -> Result<Arc<KeyRing>, KeyWatchError> {
        if self.may_ask(now) {
            self.reload(now).await?;
        }
        Ok(self.ring())
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        let mut asked_at = self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = now.duration_since(*asked_at) >= ASKED_AGAIN_AFTER;
        if may {
            *asked_at = now;
        }
        may
    }

    async fn reload(&self, now: Timestamp) -> Result<(), KeyWatchError> {
        let keys = signing_keys::all(&self.store).await?;
        let ring = Arc::new(KeyRing::scheduled(&keys, now)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    /// Reads the keys again and again, for as long as anyone uses them.
    pub fn keep_up_to_date(self: &Arc<Self>) {
        let watch = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut ticks = interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(watch) = watch.upgrade() else { break };
                if let Err(error) = watch.reload(clock::now()).await {
                    tracing::warn!(%error, "the signing keys cannot be read; going on with the last ones");
                }
            }
        });
    }
}

/// Adds a key to the database: it signs once everyone has seen it.
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

/// Replaces all keys at once: whoever has one of them, or a token signed with it, has nothing.
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
    async fn unknown_keys_have_the_database_asked_once_a_second() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&Place::Sqlite(dir.path().join("test.db"))).await.unwrap();
        let watch = KeyWatch::open(store.clone(), at(0)).await.unwrap();
        let before = watch.ring().signing().kid.clone();
        replace_all(&store, at(0)).await.unwrap();
        let early = at(1) - SignedDuration::from_millis(1);
        assert_eq!(watch.asked_again(early).await.unwrap().signing().kid, before);
        let after = watch.asked_again(at(1)).await.unwrap().signing().kid.clone();
        assert_ne!(after, before);

        replace_all(&store, at(1)).await.unwrap();
        assert_eq!(watch.asked_again(at(1)).await.unwrap().signing().kid, after);
    }

    #[tokio::test]
    async fn a_rotated_key_signs_once_everyone_has_seen_it() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&Place::Sqlite(dir.path().join("test.db"))).await.unwrap();
        let watch = KeyWatch::open(store.clone(), at(0)).await.unwrap();
        let before = watch.ring().signing().kid.clone();
        rotate(&store, at(0)).await.unwrap();
        let during = watch.asked_again(at(599)).await.unwrap();
        assert_eq!((during.published().keys.len(), &during.signing().kid), (2, &before));
        assert_ne!(watch.asked_again(at(600)).await.unwrap().signing().kid, before);

        // A day after the second one began to sign, the first one's last token has expired.
        for (now_s, keys) in [(600 + 86_399, 3), (600 + 86_400, 3)] {
            rotate(&store, at(now_s)).await.unwrap();
            let ring = watch.asked_again(at(now_s)).await.unwrap();
            assert_eq!(ring.published().keys.len(), keys, "at {now_s} s");
        }
    }
}
