//! A response, read from Envoy. Called by the gate through [`ResponseFacts`].

use crate::abi::stream::{Headers, Part, Stream};
use limits::gate::{Outcome, ResponseFacts};
use std::cell::OnceCell;

/// The headers of a stream's response, read on first use.
pub(crate) struct ResponseHeaders<'a> {
    stream: &'a Stream<'a>,
    headers: OnceCell<Headers<'a>>,
}

/// The trailers of a stream's response.
pub(crate) struct ResponseTrailers<'a>(pub(crate) &'a Stream<'a>);

impl<'a> ResponseHeaders<'a> {
    pub(crate) const fn of(stream: &'a Stream<'a>) -> Self {
        Self { stream, headers: OnceCell::new() }
    }

    fn headers(&self) -> &Headers<'a> {
        self.headers.get_or_init(|| self.stream.headers(Part::Response))
    }
}

impl ResponseFacts for ResponseHeaders<'_> {
    fn outcome(&self) -> Outcome {
        Outcome::of_headers(|name| self.headers().first(name))
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.headers().joined(name, b",")
    }
}

impl ResponseFacts for ResponseTrailers<'_> {
    fn outcome(&self) -> Outcome {
        let trailers = self.0.headers(Part::ResponseTrailers);
        Outcome::of_trailers(|name| trailers.first(name))
    }

    /// Returns nothing: the headers have been sent.
    fn header(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}
