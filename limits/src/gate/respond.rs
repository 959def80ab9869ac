//! Handles a response on its way to the client, and the end of a stream.

use super::charged::{self, Outcome, Part};
use super::outbox::StreamId;
use super::{Gate, Response, Stream, ms};

impl Gate {
    /// Handles a response: returns the headers to add (once), and gives back the charges that the
    /// policy refunds for its outcome. If the status is not known yet, call this again for the
    /// trailers.
    ///
    /// Calls `outcome` only if the policy may refund, and `now_us` only if it does. A host call
    /// costs more than all the work done here.
    pub fn response(
        &mut self,
        stream: StreamId,
        outcome: impl FnOnce() -> Outcome,
        now_us: impl FnOnce() -> u64,
    ) -> Response {
        let Some(Stream::Decided { headers, charged }) = self.streams.get_mut(&stream) else {
            return Response::default();
        };
        let headers = std::mem::take(headers);
        if charged.is_empty() {
            return Response { headers, wakes: false };
        }
        let outcome = outcome();
        let is_refunded = |part: &Part| charged::is_refunded(&self.policy, part.bucket, outcome);
        let (refunded, mut kept): (Vec<_>, Vec<_>) =
            std::mem::take(charged).into_iter().partition(is_refunded);
        if outcome.status == Outcome::UNKNOWN {
            charged.append(&mut kept);
        }
        Response { headers, wakes: self.refund(refunded, now_us) }
    }

    /// Ends a stream. If its request is in a call under way, the charges are given back once the
    /// reply arrives.
    pub fn done(&mut self, stream: StreamId) {
        if let Some(Stream::Waiting) = self.streams.remove(&stream) {
            self.outbox.remove(stream);
        }
    }

    /// Gives back `refunded`. Returns true if the worker must be woken.
    fn refund(&mut self, refunded: Vec<Part>, now_us: impl FnOnce() -> u64) -> bool {
        if refunded.is_empty() {
            return false;
        }
        let now_us = now_us();
        self.give_back(ms(now_us), refunded);
        self.take_wake(now_us)
    }
}
