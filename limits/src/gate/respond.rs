//! Handles a response on its way to the client, and the end of a stream.

use super::charged::{self, Outcome, Part};
use super::outbox::StreamId;
use super::response_facts::ResponseFacts;
use super::{Gate, Response, Stream, ms};
use crate::headers::upstream::{self, Theirs};
use crate::headers::{Ours, UpstreamHeaders};

impl Gate {
    /// Handles a response: returns the headers to set (once), and gives back the charges that the
    /// policy refunds for its outcome. If the status is not known yet, call this again for the
    /// trailers.
    ///
    /// Reads the response only if it gets rate limit headers or may be refunded, and calls `now_us`
    /// only for a refund or a header that holds a time. A host call costs more than all the work
    /// done here.
    pub fn response(
        &mut self,
        stream: StreamId,
        response: &impl ResponseFacts,
        now_us: impl Fn() -> u64,
    ) -> Response {
        let (ours, charged) = match self.streams.get_mut(&stream) {
            Some(Stream::Decided { ours, charged }) => {
                (std::mem::take(ours), std::mem::take(charged))
            }
            Some(Stream::Answered { charged }) => (Ours::default(), std::mem::take(charged)),
            Some(Stream::Waiting) | None => return Response::default(),
        };
        let choice = self.policy.upstream_headers;
        let is_merged = !ours.headers.is_empty() && choice != UpstreamHeaders::Replace;
        if !is_merged && charged.is_empty() {
            self.streams.insert(stream, Stream::Answered { charged });
            let removed = upstream::left_over(&ours.headers);
            return Response { headers: ours.headers, removed, wakes: false };
        }
        let outcome = response.outcome();
        let now_ms = || ms(now_us());
        let header = |name: &str| response.header(name);
        let theirs = Theirs { status: outcome.status, header: &header, now_ms: &now_ms };
        let headers = upstream::merged(ours, choice, &theirs);
        let is_refunded = |part: &Part| charged::is_refunded(&self.policy, part.bucket, outcome);
        let (refunded, mut kept): (Vec<_>, Vec<_>) = charged.into_iter().partition(is_refunded);
        if outcome.status != Outcome::UNKNOWN {
            kept.clear();
        }
        self.streams.insert(stream, Stream::Answered { charged: kept });
        let removed = upstream::left_over(&headers);
        Response { headers, removed, wakes: self.refund(refunded, now_us) }
    }

    /// Ends a stream. If its request is in a call under way, the charges are given back once the
    /// reply arrives.
    ///
    /// Returns true if the request passed but got no response. If Envoy redirects it internally, it
    /// comes back as another stream: pass that one to [`Gate::redirected`].
    pub fn done(&mut self, stream: StreamId) -> bool {
        match self.streams.remove(&stream) {
            Some(Stream::Waiting) => self.outbox.remove(stream),
            Some(decided @ Stream::Decided { .. }) => {
                self.redirects.keep(stream, decided);
                return true;
            }
            Some(Stream::Answered { .. }) | None => {}
        }
        false
    }

    /// Gives back `refunded`. Returns true if the worker must be woken.
    fn refund(&mut self, refunded: Vec<Part>, now_us: impl Fn() -> u64) -> bool {
        if refunded.is_empty() {
            return false;
        }
        let now_us = now_us();
        self.give_back(ms(now_us), refunded);
        self.take_wake(now_us)
    }
}
