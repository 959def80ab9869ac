//! Handles a response on its way to the client, and the end of a stream.

use super::charged::{self, Outcome, Part};
use super::outbox::StreamId;
use super::{Gate, Response, Stream, ms};

impl Gate {
    /// Handles a response: returns the headers to add (once), and gives back the charges that the
    /// policy refunds for its outcome.
    ///
    /// `outcome` returns `None` if the response does not show it yet. In gRPC, the trailers have
    /// it: call this again when they arrive.
    ///
    /// Calls `outcome` only if the policy may refund, and `now_us` only if it does. A host call
    /// costs more than all the work done here.
    pub fn response(
        &mut self,
        stream: StreamId,
        outcome: impl FnOnce() -> Option<Outcome>,
        now_us: impl FnOnce() -> u64,
    ) -> Response {
        let Some(Stream::Decided { headers, charged }) = self.streams.get_mut(&stream) else {
            return Response::default();
        };
        let headers = std::mem::take(headers);
        let Some(outcome) = (!charged.is_empty()).then(outcome).flatten() else {
            return Response { headers, wakes: false };
        };
        let charged = std::mem::take(charged);
        let wakes = self.refund(charged, outcome, now_us);
        Response { headers, wakes }
    }

    /// Ends a stream. If its request is in a call under way, the charges are given back once the
    /// reply arrives.
    pub fn done(&mut self, stream: StreamId) {
        if let Some(Stream::Waiting) = self.streams.remove(&stream) {
            self.outbox.remove(stream);
        }
    }

    /// Gives back the parts of `charged` that the policy refunds. Returns true if the worker must
    /// be woken.
    fn refund(
        &mut self,
        mut charged: Vec<Part>,
        outcome: Outcome,
        now_us: impl FnOnce() -> u64,
    ) -> bool {
        charged.retain(|part| charged::is_refunded(&self.policy, part.bucket, outcome));
        if charged.is_empty() {
            return false;
        }
        let now_us = now_us();
        self.give_back(ms(now_us), charged);
        self.take_wake(now_us)
    }
}
