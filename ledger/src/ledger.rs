//! A process's ledger, as used by front-ends. [`crate::Ledger::decide`] and the other operations
//! are in their own files.

use crate::clock::Clock;
use crate::overrides::{Book, ChangeError, Override, Overrides, watch};
use crate::seal::{Sealer, Seals};
use crate::store::url::LedgerUrl;
use crate::store::{Fault, Health, Store, Timeouts};
use crate::telemetry::ChargeMeter;
use limits::counter::CounterName;
use std::sync::Arc;

/// A process's ledger. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) store: Store,
    pub(crate) overrides: Overrides,
    pub(crate) seals: Seals,
    pub(crate) charges: Arc<ChargeMeter>,
}

impl Ledger {
    /// Opens the ledger that `url` names, and keeps it connected in the background. It need not be
    /// reachable yet. `memory_counters`: the maximum number of counters of an in-memory ledger.
    ///
    /// # Errors
    /// Fails if the operating system cannot provide random bytes.
    ///
    /// # Panics
    /// Panics outside a Tokio runtime.
    pub fn open(
        url: &LedgerUrl,
        timeouts: Timeouts,
        memory_counters: usize,
    ) -> Result<Self, getrandom::Error> {
        let store = Store::open(url, timeouts, memory_counters, Clock::start());
        let ledger = Self {
            overrides: Overrides::of(&store),
            seals: Seals::of(&store)?,
            store,
            charges: Arc::default(),
        };
        let (store, overrides) = (ledger.store.clone(), ledger.overrides.clone());
        crate::background::spawn("overrides", watch::follow(store, overrides));
        let (store, seals) = (ledger.store.clone(), ledger.seals.clone());
        crate::background::spawn("seals", crate::seal::store::follow(store, seals));
        Ok(ledger)
    }

    /// Returns the ledger's time, in Unix milliseconds, as far as it is known.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.store.now_ms()
    }

    /// Checks if the ledger answers.
    pub async fn health(&self) -> Health {
        self.store.health().await
    }

    /// Returns true once the overrides and the sealing key are loaded. Nothing is decided before.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.overrides.book().is_some() && self.seals.sealer().is_some()
    }

    /// Deletes `counter`, and its refusals or block. Returns false if neither existed.
    ///
    /// # Errors
    /// [`Fault`] if the ledger did not answer.
    pub async fn reset(&self, counter: &CounterName) -> Result<bool, Fault> {
        self.store.reset(counter).await
    }

    /// Deletes the refusals or the block of `counter`, and keeps its count. Returns false if there
    /// were none.
    ///
    /// # Errors
    /// [`Fault`] if the ledger did not answer.
    pub async fn unblock(&self, counter: &CounterName) -> Result<bool, Fault> {
        self.store.unblock(counter).await
    }

    /// Returns the overrides; `None` if they are not loaded yet.
    #[must_use]
    pub fn overrides(&self) -> Option<Arc<Book>> {
        self.overrides.book()
    }

    /// Sets the override of `counter`, or removes it if `None`. Returns true if anything changed.
    ///
    /// # Errors
    /// [`ChangeError`] if nothing was changed, or if the outcome is unknown.
    pub async fn change_override(
        &self,
        counter: &CounterName,
        overriding: Option<Override>,
    ) -> Result<bool, ChangeError> {
        self.overrides.change(&self.store, counter, overriding).await
    }

    pub(crate) fn book(&self) -> Result<Arc<Book>, Fault> {
        self.overrides.book().ok_or(Fault::Disconnected)
    }

    pub(crate) fn sealer(&self) -> Result<Sealer, Fault> {
        self.seals.sealer().ok_or(Fault::Disconnected)
    }
}
