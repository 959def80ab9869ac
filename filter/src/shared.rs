//! A cell shared by a root context and its streams.

use std::cell::RefCell;

/// A value that several contexts of one VM change in turn.
///
/// Envoy calls a VM from one thread and never reentrantly, so the borrow always succeeds. If that
/// ever changes, a request passes and an error is logged, instead of a panic.
pub(crate) struct Shared<T>(RefCell<T>);

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> Option<R> {
        match self.0.try_borrow_mut() {
            Ok(mut value) => Some(act(&mut value)),
            Err(_) => {
                log::error!("tollgate: reentrant call into the plugin; please report this");
                None
            }
        }
    }
}
