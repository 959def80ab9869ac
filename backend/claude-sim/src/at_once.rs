//! How many requests are being answered, and how many were at most.
//!
//! [`crate::routes::messages`] enters each; a stream leaves when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most at once; one more is answered that the service is overloaded.
const MAX: usize = 1024;

/// The numbers.
#[derive(Debug, Default)]
pub struct AtOnce {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One request that is being answered, until it is dropped.
#[derive(Debug)]
pub struct Entered(Arc<AtOnce>);

impl AtOnce {
    /// One more, unless there are 1,024.
    pub fn enter(self: &Arc<Self>) -> Option<Entered> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        let entered = Entered(Arc::clone(self));
        if now > MAX {
            return None;
        }
        self.most.fetch_max(now, Ordering::SeqCst);
        Some(entered)
    }

    /// How many there are.
    pub fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    /// How many there were at most.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Forgets how many there were.
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
    fn those_who_leave_make_room() {
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
