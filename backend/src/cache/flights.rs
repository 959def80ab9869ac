//! The flights of this process. Concurrent callers join a load in progress. The number of loads is
//! limited.

use super::entry::Entry;
use super::flight::{Landed, Receiver, Sender, progress};
use super::outcome::Aborted;
use super::seal::{KeyId, SealKey};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most concurrent loads. Loads outlive their requests, so the limit on requests doesn't bound
/// them.
pub(super) const MAX_FLIGHTS: usize = 1024;

/// The identity of a shared load: entry name, version and key.
type Name = (String, u64, KeyId);

#[derive(Debug, Clone)]
pub(super) struct Flights {
    table: Arc<Mutex<HashMap<Name, Arc<dyn Any + Send + Sync>>>>,
    room: Arc<Semaphore>,
}

/// The outcome of asking for a flight.
pub(super) enum Boarding<V, T, E: From<Aborted>> {
    /// The value has just arrived.
    Cached(V),
    /// Another caller started the load.
    Joined(Receiver<T, E>),
    /// The caller starts the load.
    First(Takeoff<T, E>),
    /// Too many loads are running.
    Full,
}

/// A flight that is about to start. Dropping it ends the flight in any case, so the next caller
/// starts afresh.
pub(super) struct Takeoff<T, E: From<Aborted>> {
    pub(super) sender: Arc<Sender<T, E>>,
    listed: Option<(Flights, Name)>,
    _room: OwnedSemaphorePermit,
}

impl Flights {
    pub(super) fn new(at_once: usize) -> Self {
        Self { table: Arc::default(), room: Arc::new(Semaphore::new(at_once)) }
    }

    /// Joins the flight for `entry`, or starts one unless `cached` finds the value. A load must
    /// store its value where `cached` looks before its flight leaves the table.
    pub(super) fn board<V, T, E>(
        &self,
        entry: &Entry,
        key: &SealKey,
        cached: impl FnOnce() -> Option<V>,
    ) -> Boarding<V, T, E>
    where
        T: Send + Sync + 'static,
        E: From<Aborted> + Send + Sync + 'static,
    {
        let name = (entry.name.clone(), entry.version, key.id());
        let mut table = self.table();
        let flown = table.get(&name).and_then(|flight| flight.downcast_ref::<Sender<T, E>>());
        if let Some(sender) = flown {
            return Boarding::Joined(sender.subscribe());
        }
        if let Some(value) = cached() {
            return Boarding::Cached(value);
        }
        let Some(mut takeoff) = self.alone() else { return Boarding::Full };
        table.insert(name.clone(), Arc::clone(&takeoff.sender) as Arc<dyn Any + Send + Sync>);
        takeoff.listed = Some((self.clone(), name));
        Boarding::First(takeoff)
    }

    /// Starts a flight that nobody can join. Returns `None` if too many loads are running.
    pub(super) fn alone<T, E: From<Aborted>>(&self) -> Option<Takeoff<T, E>> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        Some(Takeoff { sender: Arc::new(progress()), listed: None, _room: room })
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.table().is_empty()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Name, Arc<dyn Any + Send + Sync>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E: From<Aborted>> Takeoff<T, E> {
    /// Publishes the outcome. The flight leaves the table first, so a caller that retries after a
    /// failure doesn't get the same failure again.
    pub(super) fn land(mut self, landed: Landed<T, E>) {
        self.unlist();
        self.sender.send_if_modified(|progress| progress.land(landed));
    }

    fn unlist(&mut self) {
        if let Some((flights, name)) = self.listed.take() {
            flights.table().remove(&name);
        }
    }
}

impl<T, E: From<Aborted>> Drop for Takeoff<T, E> {
    fn drop(&mut self) {
        self.unlist();
        // Has an effect only if there is no outcome yet: the task panicked or was canceled.
        let lost = || Err(Arc::new(Aborted::Panicked.into()));
        self.sender.send_if_modified(|progress| progress.land(lost()));
    }
}
