//! A response is on its way, or its stream has ended.

use super::charged::{self, Outcome, Part};
use super::outbox::StreamId;
use super::{Gate, Response, Stream, ms};

impl Gate {
    /// Takes a response that is on its way: returns the headers to add, once, and gives back the
    /// charges that the policy refunds for its outcome.
    ///
    /// Asks for `outcome` only where the policy may refund, and for `now_us` only where it does: a
    /// call of the host costs more than all that is done here.
    pub fn response(
        &mut self,
        stream: StreamId,
        outcome: impl FnOnce() -> Outcome,
        now_us: impl FnOnce() -> u64,
    ) -> Response {
        let Some(Stream::Decided { headers, charged }) = self.streams.get_mut(&stream) else {
            return Response::default();
        };
        let (headers, charged) = (std::mem::take(headers), std::mem::take(charged));
        let wakes = !charged.is_empty() && self.refund(charged, outcome(), now_us);
        Response { headers, wakes }
    }

    /// Ends a stream. If it was still waiting, what it may have been charged is given back once that
    /// is known.
    pub fn done(&mut self, stream: StreamId) {
        if let Some(Stream::Waiting) = self.streams.remove(&stream) {
            self.outbox.remove(stream);
        }
    }

    /// Gives back what the policy refunds of `charged`. Returns true if the worker must be woken.
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
