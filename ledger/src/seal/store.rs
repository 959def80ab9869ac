//! The sealing key, stored in the ledger and shared by all shims.
//!
//! Started by [`crate::Ledger::open`]. The first shim to find no key creates one. The key is
//! polled, because a `FLUSHALL` deletes it along with the counters.

use super::{KEY_BYTES, Sealer, Seals, random_key};
use crate::clock;
use crate::log_throttle::LogThrottle;
use crate::store::{Fault, Store};
use std::time::Duration;
use tokio::time::sleep;
use tracing::{info, warn};

/// The key's name, and the tag that determines its Cluster slot. It is in the same slot as the
/// overrides, which are needed for every decision too.
const KEY: &str = "tg:{tg:overrides}:seal";
const TAG: &str = "tg:overrides";
/// How often the key is polled.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often it is polled until it is first read. Nothing is decided before that.
const FIRST_INTERVAL: Duration = Duration::from_millis(20);

/// Keeps `seals` in sync with the ledger for the lifetime of the process. Returns at once for an
/// in-memory ledger, which stores no key.
pub(crate) async fn follow(store: Store, seals: Seals) {
    let mut known = None;
    let log_throttle = LogThrottle::new(Duration::from_secs(5));
    while let Some(fetched) = fetch(&store).await {
        match fetched {
            Ok(key) if known != Some(key) => {
                info!(is_first = known.is_none(), "read the key that seals decisions");
                seals.replace(Sealer::new(&key));
                known = Some(key);
            }
            // The last known key stays in use.
            Ok(_) | Err(Fault::Disconnected) => {}
            Err(fault) => {
                if let Some(held_back) = log_throttle.permit(clock::instant()) {
                    warn!(%fault, held_back, "cannot read the key that seals decisions");
                }
            }
        }
        sleep(if known.is_none() { FIRST_INTERVAL } else { INTERVAL }).await;
    }
}

/// Reads the key, or creates it if there is none; `None` for the in-memory ledger.
async fn fetch(store: &Store) -> Option<Result<[u8; KEY_BYTES], Fault>> {
    // The first shim to store a key wins. If the stored value is still not a key, it is replaced.
    for only_new in [true, false] {
        match get(store).await? {
            Ok(Some(key)) => return Some(Ok(key)),
            Ok(None) => {}
            Err(fault) => return Some(Err(fault)),
        }
        if let Err(fault) = make(store, only_new).await? {
            return Some(Err(fault));
        }
    }
    Some(get(store).await?.and_then(|key| key.ok_or(Fault::InvalidReply)))
}

/// Stores a new key. Replaces an existing value unless `only_new`.
async fn make(store: &Store, only_new: bool) -> Option<Result<(), Fault>> {
    let Ok(key) = random_key() else {
        return Some(Err(Fault::InvalidReply));
    };
    let mut set = redis::cmd("SET");
    set.arg(KEY).arg(&key[..]);
    if only_new {
        set.arg("NX");
    }
    Some(store.command(TAG, set).await?.map(drop))
}

/// Reads the key, if it exists.
async fn get(store: &Store) -> Option<Result<Option<[u8; KEY_BYTES]>, Fault>> {
    let mut get = redis::cmd("MGET");
    get.arg(KEY);
    let found = store.command(TAG, get).await?;
    Some(found.and_then(|found| {
        let found: Vec<Option<Vec<u8>>> =
            redis::from_redis_value(found).map_err(|_| Fault::InvalidReply)?;
        Ok(found.into_iter().next().flatten().and_then(|key| key.try_into().ok()))
    }))
}
