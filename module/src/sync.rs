//! The locks between Envoy's workers and the module's thread. A test replaces them by those of
//! `shuttle`, which tries other orders of the threads' steps.

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
