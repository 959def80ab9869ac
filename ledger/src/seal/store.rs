//! The key as the ledger keeps it, for all shims alike.
//!
//! Started by [`crate::Ledger::open`]. The first shim to find no key makes one. It is asked for again and
//! again, since a `FLUSHALL` takes it along with the counters.

use super::{KEY_BYTES, Sealer, Seals, random_key};
use crate::clock;
use crate::quiet::Quiet;
use crate::store::{Fault, Store};
use std::time::Duration;
use tokio::time::sleep;
use tracing::{info, warn};

/// The key's name, and the tag that puts it into a slot of a Cluster: that of the overrides, without
/// which nothing is decided either.
const KEY: &str = "tg:{tg:overrides}:seal";
const TAG: &str = "tg:overrides";
/// How often it is asked for.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often before it was read for the first time: nothing is decided before.
const FIRST_INTERVAL: Duration = Duration::from_millis(20);

/// Keeps `seals` what the ledger says, for as long as the process runs. The in-memory ledger has
/// nothing to say.
pub(crate) async fn follow(store: Store, seals: Seals) {
    let mut known = None;
    let complaints = Quiet::new(Duration::from_secs(5));
    while let Some(fetched) = fetch(&store).await {
        match fetched {
            Ok(key) if known != Some(key) => {
                info!(
                    is_first = known.is_none(),
                    "the key that decisions are sealed with was read"
                );
                seals.replace(Sealer::new(&key));
                known = Some(key);
            }
            // The last known key stays in use.
            Ok(_) | Err(Fault::Disconnected) => {}
            Err(fault) => {
                if let Some(held_back) = complaints.speak(clock::instant()) {
                    warn!(%fault, held_back, "the key that decisions are sealed with cannot be read");
                }
            }
        }
        sleep(if known.is_none() { FIRST_INTERVAL } else { INTERVAL }).await;
    }
}

/// Reads the key, and makes it if there is none; `None` for the in-memory ledger.
async fn fetch(store: &Store) -> Option<Result<[u8; KEY_BYTES], Fault>> {
    // The first to store one decides. If what is stored is not a key after that, it makes way.
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
    Some(get(store).await?.and_then(|key| key.ok_or(Fault::Senseless)))
}

/// Stores a new key; over what is there, unless `only_new`.
async fn make(store: &Store, only_new: bool) -> Option<Result<(), Fault>> {
    let Ok(key) = random_key() else {
        return Some(Err(Fault::Senseless));
    };
    let mut set = redis::cmd("SET");
    set.arg(KEY).arg(&key[..]);
    if only_new {
        set.arg("NX");
    }
    Some(store.command(TAG, set).await?.map(drop))
}

/// Reads the key, if there is one.
async fn get(store: &Store) -> Option<Result<Option<[u8; KEY_BYTES]>, Fault>> {
    let mut get = redis::cmd("MGET");
    get.arg(KEY);
    let found = store.command(TAG, get).await?;
    Some(found.and_then(|found| {
        let found: Vec<Option<Vec<u8>>> =
            redis::from_redis_value(found).map_err(|_| Fault::Senseless)?;
        Ok(found.into_iter().next().flatten().and_then(|key| key.try_into().ok()))
    }))
}
