//! Keeps this shim's book what the ledger's hash says.
//!
//! Started by [`crate::serve`]. It asks for the version every [`INTERVAL`], and for the overrides
//! only when that has changed, so a change made through any shim holds in all of them within a
//! second. (Polling rather than a subscription: nothing to lose, and nothing to do on reconnecting.)

use super::{Overrides, store};
use crate::ledger::Ledger;
use crate::telemetry;
use metrics::gauge;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tracing::info;

/// How often the version is asked for.
pub const INTERVAL: Duration = Duration::from_millis(250);
/// How often before the overrides were read for the first time: nothing is decided before.
const FIRST_INTERVAL: Duration = Duration::from_millis(20);

/// Follows the ledger's hash for as long as the process runs.
pub(crate) async fn follow(ledger: Ledger, overrides: Overrides) {
    let mut loaded: Option<Vec<u8>> = None;
    loop {
        let changed = match store::version(&ledger).await {
            Some(Ok(version)) => loaded.as_ref() != Some(&version),
            // The last known overrides stay in force; the in-memory ledger's are changed in place.
            Some(Err(_)) | None => false,
        };
        if changed && let Some(Ok((version, book))) = store::load(&ledger).await {
            info!(overrides = book.len(), "overrides loaded");
            overrides.replace(Arc::new(book));
            loaded = Some(version);
        }
        let in_force = overrides.book().map(|book| book.count_in_force(ledger.now_ms()));
        gauge!(telemetry::OVERRIDES).set(u32::try_from(in_force.unwrap_or(0)).unwrap_or(u32::MAX));
        sleep(if in_force.is_none() { FIRST_INTERVAL } else { INTERVAL }).await;
    }
}
