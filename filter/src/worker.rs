//! What a root context shares with its streams: the gate, and a way to call the root.

use crate::host;
use crate::shared::Shared;
use limits::gate::Gate;
use proxy_wasm::hostcalls;

/// A worker, as its root context and its streams see it.
pub(crate) struct Worker {
    pub(crate) gate: Shared<Gate>,
    /// The path of jwt_authn's payload, as Envoy takes it.
    pub(crate) jwt_payload: String,
    /// The shared queue by which a stream has the root context called.
    pub(crate) queue: u32,
}

impl Worker {
    /// Has the root context called in this turn of the event loop, if the gate has work for it.
    pub(crate) fn wake(&self, now_us: u64) {
        if self.gate.with(|gate| gate.take_wake(now_us)).unwrap_or(false) {
            self.enqueue();
        }
    }

    /// Has the root context called in this turn of the event loop.
    pub(crate) fn enqueue(&self) {
        host::tell("wake the worker", hostcalls::enqueue_shared_queue(self.queue, Some(b"w")));
    }
}
