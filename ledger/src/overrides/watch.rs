//! Keeps this shim's overrides in sync with the ledger's hash.
//!
//! Started by [`crate::Ledger::open`]. Polls the version every [`INTERVAL`], and loads the
//! overrides only when it has changed, so a change made through any shim reaches all of them within
//! a second. Unlike a subscription, polling cannot miss a change and needs no special handling of
//! reconnects.

use super::{Book, Overrides, store};
use crate::store::{Fault, Store};
use crate::telemetry;
use metrics::gauge;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tracing::info;

/// How often the version is polled.
pub const INTERVAL: Duration = Duration::from_millis(250);
/// How often it is polled until the overrides are first loaded. Nothing is decided before that.
const FIRST_INTERVAL: Duration = Duration::from_millis(20);

/// Follows the ledger's hash for the lifetime of the process.
pub(crate) async fn follow(store: Store, overrides: Overrides) {
    let (version, load) = (|| store::version(&store), || store::load(&store));
    keep_current(version, load, || store.now_ms(), overrides).await;
}

/// Like [`follow`], with `version` and `load` as sources; `None` for the in-memory ledger.
async fn keep_current<Versions, Loads>(
    version: impl Fn() -> Versions,
    load: impl Fn() -> Loads,
    now_ms: impl Fn() -> u64,
    overrides: Overrides,
) where
    Versions: Future<Output = Option<Result<Vec<u8>, Fault>>>,
    Loads: Future<Output = Option<Result<(Vec<u8>, Book), Fault>>>,
{
    let mut loaded: Option<Vec<u8>> = None;
    loop {
        let changed = match version().await {
            Some(Ok(version)) => loaded.as_ref() != Some(&version),
            // The last known overrides stay in force. Those of an in-memory ledger are changed in
            // place.
            Some(Err(_)) | None => false,
        };
        if changed && let Some(Ok((version, book))) = load().await {
            info!(overrides = book.len(), "overrides loaded");
            overrides.replace(Arc::new(book));
            loaded = Some(version);
        }
        let in_force = overrides.book().map(|book| book.count_in_force(now_ms()));
        gauge!(telemetry::OVERRIDES).set(u32::try_from(in_force.unwrap_or(0)).unwrap_or(u32::MAX));
        sleep(if in_force.is_none() { FIRST_INTERVAL } else { INTERVAL }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overrides::Override;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::time::Instant;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns how long a change takes to come into force if it is made `after` the first poll and
    /// each answer of the ledger takes `answer`.
    async fn seen_after(after: Duration, answer: Duration) -> Duration {
        let changed = Arc::new(AtomicBool::new(false));
        let overrides = Overrides::default();
        let stored = {
            let changed = Arc::clone(&changed);
            move || u8::from(changed.load(Ordering::SeqCst))
        };
        let read = stored.clone();
        let version = move || {
            let stored = stored();
            async move {
                sleep(answer).await;
                Some(Ok(vec![stored]))
            }
        };
        let load = move || {
            let stored = read();
            async move {
                sleep(answer).await;
                let mut book = Book::default();
                let name = "tg:{0123456789abcdef0123456789abcdef}:b".to_owned();
                if stored == 1 {
                    book.set(name.try_into().unwrap(), Override::Unlimited).unwrap();
                }
                Some(Ok((vec![stored], book)))
            }
        };
        let following = tokio::spawn(keep_current(version, load, || 0, overrides.clone()));
        sleep(after).await;
        changed.store(true, Ordering::SeqCst);
        let made = Instant::now();
        while overrides.book().is_none_or(|book| book.is_empty()) {
            assert!(made.elapsed() < SECOND * 10, "the change was not seen");
            sleep(Duration::from_millis(1)).await;
        }
        following.abort();
        made.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_in_force_within_a_second() {
        for answer in [0, 5, 100, 240].map(Duration::from_millis) {
            let mut longest = Duration::ZERO;
            for after_ms in (0..2_000).step_by(7) {
                let seen = seen_after(Duration::from_millis(after_ms), answer).await;
                longest = longest.max(seen);
            }
            assert!(longest <= SECOND, "{longest:?}, with answers after {answer:?}");
            assert!(longest >= INTERVAL, "{longest:?}: the wait was not measured");
        }
    }
}
