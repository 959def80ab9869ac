//! Requests that Envoy sends on to another place (internal redirects). Each place is a stream of its
//! own, but the request is charged once.
//!
//! A stream that ends without a response may have been redirected, or its client may have left. Its
//! decision is kept until the next stream of the same request asks for it, or until newer ones take
//! its place. Envoy starts that stream at once, so few have to be kept.

use super::outbox::StreamId;
use super::{Gate, Release, Stream};

impl Gate {
    /// Handles a request that comes back as `stream` after an internal redirect: lets it pass, since
    /// it has been charged already. Its response gets the headers and the refunds of that charge.
    ///
    /// `before`: the stream for which [`Gate::done`] returned true; `None` if another gate, for
    /// example one with an earlier policy, decided it. Then there are no headers and no refunds.
    pub fn redirected(&mut self, stream: StreamId, before: Option<StreamId>) -> Release {
        if let Some(decided) = before.and_then(|before| self.redirects.take(before)) {
            self.streams.insert(stream, decided);
        } else {
            self.streams.insert(stream, Stream::undecided_here());
        }
        Release::Pass("redirected".to_owned())
    }
}
