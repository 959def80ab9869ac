//! The flights of this process: who asks for what is being loaded joins, and their number is
//! bounded.

use super::entry::Entry;
use super::flight::{Landed, Receiver, Sender, progress};
use super::outcome::Aborted;
use super::seal::{KeyId, SealKey};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most loads at once. They outlive their requests, so the bound on requests is none for them.
pub(super) const MAX_FLIGHTS: usize = 1024;

/// Who shares a load: those who ask for the same version of an entry with the same key.
type Name = (String, u64, KeyId);

#[derive(Debug, Clone)]
pub(super) struct Flights {
    table: Arc<Mutex<HashMap<Name, Arc<dyn Any + Send + Sync>>>>,
    room: Arc<Semaphore>,
}

/// How someone comes to a flight.
pub(super) enum Boarding<V, T, E: From<Aborted>> {
    /// What they wanted has just come.
    There(V),
    /// Others have begun it.
    Joined(Receiver<T, E>),
    /// They begin it.
    First(Takeoff<T, E>),
    /// There are too many.
    Full,
}

/// A flight that is to be flown. When it is dropped, whatever has become of it, it has landed and
/// others begin anew.
pub(super) struct Takeoff<T, E: From<Aborted>> {
    pub(super) sender: Arc<Sender<T, E>>,
    listed: Option<(Flights, Name)>,
    _room: OwnedSemaphorePermit,
}

impl Flights {
    pub(super) fn new(at_once: usize) -> Self {
        Self { table: Arc::default(), room: Arc::new(Semaphore::new(at_once)) }
    }

    /// Joins the flight for `entry`, or begins it, unless `there` finds that it has landed: a load
    /// is put where `there` looks before its flight leaves the table.
    pub(super) fn board<V, T, E>(
        &self,
        entry: &Entry,
        key: &SealKey,
        there: impl FnOnce() -> Option<V>,
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
        if let Some(value) = there() {
            return Boarding::There(value);
        }
        let Some(mut takeoff) = self.alone() else { return Boarding::Full };
        table.insert(name.clone(), Arc::clone(&takeoff.sender) as Arc<dyn Any + Send + Sync>);
        takeoff.listed = Some((self.clone(), name));
        Boarding::First(takeoff)
    }

    /// A flight that nobody joins, if there is room.
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
    /// Tells those who wait what has become of it. It is off the table by then: whoever is told of
    /// a failure and asks again is not told of the same once more.
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
        // Only where nothing has landed: the task panicked, or was ended.
        let lost = || Err(Arc::new(Aborted::Panicked.into()));
        self.sender.send_if_modified(|progress| progress.land(lost()));
    }
}
