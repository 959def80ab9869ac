//! Tollgate's Envoy plugin: turns Envoy's callbacks into calls of [`limits::gate::Gate`], and does
//! what it answers. There is no policy, no arithmetic and no state of a request here.
//!
//! Nothing in this crate may panic: a panic hangs every paused stream of its worker. The lints see
//! to it.

mod abi;
mod configuration;
mod connections;
mod facts;
mod host;
mod log_to_envoy;
mod metrics;
mod plugin;
mod root;
mod stream;
mod value;

use limits::gate::Gate;
use std::cell::RefCell;

/// One worker's gate, shared by its root context and its streams.
///
/// Envoy calls into a VM from one thread and never while a call is under way, so the borrow always
/// succeeds; were that to change, a request would pass and say so in the log, not panic.
struct SharedGate(RefCell<Gate>);

impl SharedGate {
    fn new(gate: Gate) -> Self {
        Self(RefCell::new(gate))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Gate) -> R) -> Option<R> {
        match self.0.try_borrow_mut() {
            Ok(mut gate) => Some(act(&mut gate)),
            Err(_) => {
                log::error!(
                    "tollgate: the gate was called while it was at work: please report this"
                );
                None
            }
        }
    }
}
