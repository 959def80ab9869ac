//! Bounds the calls in flight and the calls waiting for a slot.
//!
//! Used by [`crate::call`].
//!
//! One user gets at most a quarter of all places and a quarter of the slots, and a large call
//! counts as several. A user's further calls first wait for the user's own slots and then queue
//! with everyone else's. However many calls one user makes, another user waits behind at most a few
//! of them.

use crate::meter::Counted;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The divisor for one user's share.
const SHARE: usize = 4;
/// The request size that counts as one call, about 8,000 tokens. Larger requests count as several.
const BYTES_PER_CALL: usize = 32 * 1024;

/// The bounded slots and places of a client.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    /// One permit for each running or waiting call.
    admitted: Arc<Semaphore>,
    /// One permit for each running call.
    running: Arc<Semaphore>,
    shares: Arc<Shares>,
}

/// A place in the queue.
pub(crate) struct Place {
    admitted: OwnedSemaphorePermit,
    running: Arc<Semaphore>,
    own: Option<Own>,
    counted: Counted,
}

/// A slot for a running call, held until dropped.
pub(crate) struct Slot {
    _admitted: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
    _own: Option<(OwnedSemaphorePermit, Own)>,
    _counted: Counted,
}

/// The bound that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All places are taken.
    All,
    /// All of this user's places are taken.
    Own,
}

/// The shares of users with running or waiting calls. There are never more users than places.
#[derive(Debug)]
struct Shares {
    max_places: usize,
    max_running: u32,
    users: Mutex<HashMap<Box<str>, Share>>,
}

#[derive(Debug)]
struct Share {
    places: usize,
    running: Arc<Semaphore>,
}

/// One of a user's places, held until dropped.
struct Own {
    shares: Arc<Shares>,
    user: Box<str>,
    running: Arc<Semaphore>,
    weight: u32,
}

impl Slots {
    /// Allows `running` calls at once and `waiting` calls behind them.
    pub(crate) fn new(running: usize, waiting: usize) -> Self {
        let running = running.clamp(1, Semaphore::MAX_PERMITS / 2);
        let waiting = waiting.min(Semaphore::MAX_PERMITS / 2);
        let places = running + waiting;
        Self {
            admitted: Arc::new(Semaphore::new(places)),
            running: Arc::new(Semaphore::new(running)),
            shares: Arc::new(Shares {
                max_places: (places / SHARE).max(1),
                max_running: u32::try_from(running / SHARE).unwrap_or(u32::MAX).max(1),
                users: Mutex::default(),
            }),
        }
    }

    /// Takes a place in the queue for a request of `bytes`, counted against `user` if given.
    pub(crate) fn place(&self, user: Option<&str>, bytes: usize) -> Result<Place, Full> {
        let own = user.map(|user| self.shares.own(user, bytes).ok_or(Full::Own)).transpose()?;
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Full::All)?;
        let (running, counted) = (Arc::clone(&self.running), Counted::waiting());
        Ok(Place { admitted, running, own, counted })
    }
}

impl Place {
    /// Waits for a slot until `by`, first come, first served. Returns `None` on timeout.
    pub(crate) async fn slot(self, by: Instant) -> Option<Slot> {
        let own = match self.own {
            Some(own) => Some(timeout_at(by, own.turn()).await.ok()??),
            None => None,
        };
        let running = timeout_at(by, self.running.acquire_owned()).await.ok()?.ok()?;
        drop(self.counted);
        Some(Slot {
            _admitted: self.admitted,
            _running: running,
            _own: own,
            _counted: Counted::in_flight(),
        })
    }
}

impl Shares {
    fn own(self: &Arc<Self>, user: &str, bytes: usize) -> Option<Own> {
        let mut users = self.users();
        let new = || Share {
            places: 0,
            running: Arc::new(Semaphore::new(usize::try_from(self.max_running).unwrap_or(1))),
        };
        let share = users.entry(user.into()).or_insert_with(new);
        if share.places >= self.max_places {
            return None;
        }
        share.places += 1;
        let weight = u32::try_from(bytes.div_ceil(BYTES_PER_CALL)).unwrap_or(u32::MAX);
        Some(Own {
            shares: Arc::clone(self),
            user: user.into(),
            running: Arc::clone(&share.running),
            weight: weight.clamp(1, self.max_running),
        })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<Box<str>, Share>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Own {
    /// Waits for one of the user's own slots.
    async fn turn(self) -> Option<(OwnedSemaphorePermit, Self)> {
        let running = Arc::clone(&self.running).acquire_many_owned(self.weight).await.ok()?;
        Some((running, self))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut users = self.shares.users();
        if let Some(share) = users.get_mut(&self.user) {
            share.places = share.places.saturating_sub(1);
            if share.places == 0 {
                users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::time::Duration;

    fn soon() -> Instant {
        clock::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_and_a_long_wait_are_refused() {
        let slots = Slots::new(1, 1);
        let place = || slots.place(None, 1);
        let running = place().unwrap().slot(soon()).await.unwrap();
        let waiting = place().unwrap();
        assert_eq!(place().err(), Some(Full::All));
        assert!(waiting.slot(soon()).await.is_none());

        let waiting = tokio::spawn(place().unwrap().slot(soon()));
        tokio::task::yield_now().await;
        assert!(place().is_err());
        drop(running);
        let running = waiting.await.unwrap();
        assert!(running.is_some());
        assert!(place().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_always_room_for_one_call() {
        for user in [None, Some("a")] {
            let place = Slots::new(0, 0).place(user, usize::MAX).unwrap();
            assert!(place.slot(soon()).await.is_some());
            assert!(Slots::new(usize::MAX, usize::MAX).place(user, usize::MAX).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_gets_a_quarter_of_the_places_and_slots() {
        let slots = Slots::new(8, 8);
        let place = |user| slots.place(Some(user), 1);
        let mut running = Vec::new();
        for _ in 0..2 {
            running.push(place("a").unwrap().slot(soon()).await.unwrap());
        }
        let waiting = place("a").unwrap();
        let another = place("a").unwrap();
        assert_eq!(place("a").err(), Some(Full::Own));
        assert!(waiting.slot(soon()).await.is_none(), "it waits for the user's own slots");
        assert!(
            place("b").unwrap().slot(soon()).await.is_some(),
            "and other users do not wait for it"
        );

        let another = tokio::spawn(another.slot(soon()));
        tokio::task::yield_now().await;
        running.pop();
        assert!(another.await.unwrap().is_some());
        running.clear();
        assert!(slots.shares.users().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_call_counts_as_several() {
        let slots = Slots::new(16, 0);
        let place = |bytes| slots.place(Some("a"), bytes).unwrap();
        let large = place(2 * BYTES_PER_CALL + 1).slot(soon()).await.unwrap();
        let small = place(BYTES_PER_CALL).slot(soon()).await.unwrap();
        assert!(place(1).slot(soon()).await.is_none());
        drop(large);
        let another = place(3 * BYTES_PER_CALL).slot(soon()).await.unwrap();
        assert!(place(1).slot(soon()).await.is_none());
        drop((small, another));
        assert!(place(usize::MAX).slot(soon()).await.is_some(), "even the largest call can run");
    }
}
