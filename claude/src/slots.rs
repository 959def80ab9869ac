//! How many calls there are at once, how many wait for their turn, and for how long.
//!
//! Asked by [`crate::call`].

use crate::meter::Counted;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The bounds.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    /// One permit for each that runs or waits.
    admitted: Arc<Semaphore>,
    /// One permit for each that runs.
    running: Arc<Semaphore>,
}

/// A place among those that wait.
pub(crate) struct Place {
    admitted: OwnedSemaphorePermit,
    running: Arc<Semaphore>,
    counted: Counted,
}

/// A call's turn: it lasts for as long as this is kept.
pub(crate) struct Slot {
    _admitted: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Slots {
    /// At most `running` at once, `waiting` behind them.
    pub(crate) fn new(running: usize, waiting: usize) -> Self {
        let running = running.clamp(1, Semaphore::MAX_PERMITS / 2);
        let waiting = waiting.min(Semaphore::MAX_PERMITS / 2);
        Self {
            admitted: Arc::new(Semaphore::new(running + waiting)),
            running: Arc::new(Semaphore::new(running)),
        }
    }

    /// A place among those that wait, if there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().ok()?;
        Some(Place { admitted, running: Arc::clone(&self.running), counted: Counted::waiting() })
    }
}

impl Place {
    /// A turn, in the order of asking; `None` where it has not come by then.
    pub(crate) async fn slot(self, by: Instant) -> Option<Slot> {
        let running = timeout_at(by, self.running.acquire_owned()).await.ok()?.ok()?;
        drop(self.counted);
        Some(Slot { _admitted: self.admitted, _running: running, _counted: Counted::in_flight() })
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
    async fn one_too_many_is_refused_and_one_that_waits_too_long() {
        let slots = Slots::new(1, 1);
        let running = slots.place().unwrap().slot(soon()).await.unwrap();
        let waiting = slots.place().unwrap();
        assert!(slots.place().is_none());
        assert!(waiting.slot(soon()).await.is_none());

        let waiting = tokio::spawn(slots.place().unwrap().slot(soon()));
        tokio::task::yield_now().await;
        assert!(slots.place().is_none());
        drop(running);
        let running = waiting.await.unwrap();
        assert!(running.is_some());
        assert!(slots.place().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_always_room_for_one() {
        assert!(Slots::new(0, 0).place().unwrap().slot(soon()).await.is_some());
        assert!(Slots::new(usize::MAX, usize::MAX).place().is_some());
    }
}
