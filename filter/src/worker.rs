//! State shared by a root context and its streams: the gate, and a way to wake the root.

use crate::facts::TokenPaths;
use crate::host;
use crate::shared::Shared;
use limits::gate::{Answer, Gate};
use proxy_wasm::hostcalls;

/// A worker, as seen by its root context and its streams.
pub(crate) struct Worker {
    pub(crate) gate: Shared<Gate>,
    pub(crate) token: TokenPaths,
    /// True if the policy wants decisions in the filter state.
    pub(crate) has_filter_state: bool,
    /// The shared queue through which a stream wakes the root context.
    pub(crate) queue: u32,
}

impl Worker {
    /// Stores the decision of the effective stream for the access log, if the policy wants it.
    pub(crate) fn set_summary(&self, summary: &str) {
        if self.has_filter_state {
            host::set_summary(summary);
        }
    }

    /// Answers the effective stream. `is_grpc`: its content type is gRPC's.
    pub(crate) fn answer(&self, answer: &Answer, is_grpc: bool) {
        self.set_summary(&answer.summary);
        host::answer(answer, is_grpc);
    }

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
