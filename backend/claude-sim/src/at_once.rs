//! Counts the concurrent requests and their peak.
//!
//! [`crate::routes::messages`] enters each request. A stream leaves when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most concurrent requests. Further ones get an overloaded error.
const MAX: usize = 1024;

/// The current and the highest number of concurrent requests.
#[derive(Debug, Default)]
pub struct AtOnce {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A request being answered, until dropped.
#[derive(Debug)]
pub struct Entered(Arc<AtOnce>);

impl AtOnce {
    /// Enters a request, unless [`MAX`] have entered.
    pub fn enter(self: &Arc<Self>) -> Option<Entered> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        let entered = Entered(Arc::clone(self));
        if now > MAX {
            return None;
        }
        self.most.fetch_max(now, Ordering::SeqCst);
        Some(entered)
    }

    /// Returns the current number.
    pub fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    /// Returns the highest number so far.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Resets the highest number to the current one.
    pub fn reset(&self) {
        self.most.store(self.now(), Ordering::SeqCst);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_leaves_makes_room() {
        let at_once = Arc::new(AtOnce::default());
        let mut entered: Vec<_> = (0..MAX).map(|_| at_once.enter().unwrap()).collect();
        assert!(at_once.enter().is_none());
        entered.pop();
        assert!(at_once.enter().is_some());
        drop(entered);
        assert_eq!((at_once.now(), at_once.most()), (0, MAX));
        at_once.reset();
        assert_eq!(at_once.most(), 0);
    }
}
