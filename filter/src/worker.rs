//! State shared by a root context and its streams: the gate, and a way to wake the root.

use crate::facts::TokenPaths;
use crate::host;
use crate::shared::Shared;
use limits::gate::Gate;
use proxy_wasm::hostcalls;

/// A worker, as seen by its root context and its streams.
pub(crate) struct Worker {
    pub(crate) gate: Shared<Gate>,
    pub(crate) token: TokenPaths,
    /// The shared queue through which a stream wakes the root context.
    pub(crate) queue: u32,
}

impl Worker {
    /// Wakes the root context in this turn of the event loop, if the gate has work for it.
    pub(crate) fn wake(&self, now_us: u64) {
        if self.gate.with(|gate| gate.take_wake(now_us)).unwrap_or(false) {
            self.enqueue();
        }
    }

    /// Wakes the root context in this turn of the event loop.
    pub(crate) fn enqueue(&self) {
        host::log_failure(
            "wake the worker",
            hostcalls::enqueue_shared_queue(self.queue, Some(b"w")),
        );
    }
}
