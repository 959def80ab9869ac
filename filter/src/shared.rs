//! What a root context shares with its streams.

use std::cell::RefCell;

/// A value that several contexts of one VM change, one after the other.
///
/// Envoy calls into a VM from one thread and never while a call is under way, so the borrow always
/// succeeds; were that to change, a request would pass and say so in the log, not panic.
pub(crate) struct Shared<T>(RefCell<T>);

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> Option<R> {
        match self.0.try_borrow_mut() {
            Ok(mut value) => Some(act(&mut value)),
            Err(_) => {
                log::error!("tollgate: called while it was at work: please report this");
                None
            }
        }
    }
}
