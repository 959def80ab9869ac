//! A process's ledger: what front-ends hold. [`crate::Ledger::decide`] and the like are in files of
//! their own.

use crate::clock::Clock;
use crate::overrides::{Book, ChangeError, Override, Overrides, watch};
use crate::seal::{Sealer, Seals};
use crate::store::url::LedgerUrl;
use crate::store::{Fault, Health, Store, Timeouts};
use crate::telemetry::ChargeMeter;
use limits::counter::CounterName;
use std::sync::Arc;

/// The ledger of a process. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) store: Store,
    pub(crate) overrides: Overrides,
    pub(crate) seals: Seals,
    pub(crate) charges: Arc<ChargeMeter>,
}

impl Ledger {
    /// Opens the ledger that `url` names, and keeps it connected in the background. It need not be
    /// there yet. `memory_counters`: the most counters held if it is memory.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
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

    /// Returns the ledger's time as far as it is known, in Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.store.now_ms()
    }

    /// Asks whether the ledger answers.
    pub async fn health(&self) -> Health {
        self.store.health().await
    }

    /// Returns true once overrides and seals are known, without which nothing is decided.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.overrides.book().is_some() && self.seals.sealer().is_some()
    }

    /// Forgets what `counter` has counted. Returns true if there was anything.
    ///
    /// # Errors
    /// [`Fault`] if there was no answer.
    pub async fn reset(&self, counter: &CounterName) -> Result<bool, Fault> {
        self.store.reset(counter).await
    }

    /// Returns the overrides; `None` while they are not known.
    #[must_use]
    pub fn overrides(&self) -> Option<Arc<Book>> {
        self.overrides.book()
    }

    /// Sets the override of `counter`, or removes it with `None`. Returns true if that changed it.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing was changed, or it is not known whether it was.
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
