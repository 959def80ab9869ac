//! Requests that Envoy sends on to another place (internal redirects). Each place is a stream of its
//! own, but the request is charged once.
//!
//! A stream that ends without a response may have been redirected, or its client may have left. Its
//! decision is kept until the next stream of the same request asks for it, or until newer ones take
//! its place. Envoy starts that stream at once, so few have to be kept.

use super::{Gate, Release, Stream, StreamId};
use std::collections::VecDeque;

/// The most decisions kept.
const MAX_KEPT: usize = 256;

/// The decisions of streams that ended without a response, oldest first.
#[derive(Debug, Default)]
pub(super) struct Redirects(VecDeque<(StreamId, Stream)>);

impl Redirects {
    pub(super) fn keep(&mut self, stream: StreamId, decided: Stream) {
        if self.0.len() >= MAX_KEPT {
            self.0.pop_front();
        }
        self.0.push_back((stream, decided));
    }

    fn take(&mut self, stream: StreamId) -> Option<Stream> {
        let at = self.0.iter().rposition(|(kept, _)| *kept == stream)?;
        self.0.remove(at).map(|(_, decided)| decided)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_decisions_are_bounded() {
        let mut redirects = Redirects::default();
        for stream in 0..300 {
            redirects.keep(stream, Stream::undecided_here());
        }
        assert_eq!(redirects.0.len(), MAX_KEPT);
        assert!(redirects.take(43).is_none());
        assert!(redirects.take(44).is_some());
        assert!(redirects.take(44).is_none(), "taken once");
    }
}
