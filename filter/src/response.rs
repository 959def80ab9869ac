//! A response, read from Envoy. Called by the gate through [`ResponseFacts`].

use crate::direct;
use crate::headers::Headers;
use limits::gate::{Outcome, ResponseFacts};
use proxy_wasm::types::MapType;
use std::cell::OnceCell;

/// The headers of the response whose callback is running, read on first use.
#[derive(Default)]
pub(crate) struct ResponseHeaders(OnceCell<Headers>);

/// The trailers of the response whose callback is running.
pub(crate) struct ResponseTrailers;

impl ResponseHeaders {
    fn headers(&self) -> &Headers {
        self.0.get_or_init(|| direct::headers(MapType::HttpResponseHeaders).unwrap_or_default())
    }
}

impl ResponseFacts for ResponseHeaders {
    fn outcome(&self) -> Outcome {
        Outcome::of_headers(|name| self.headers().first(name))
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.headers().joined(name, b",")
    }
}

impl ResponseFacts for ResponseTrailers {
    fn outcome(&self) -> Outcome {
        let trailers = direct::headers(MapType::HttpResponseTrailers).unwrap_or_default();
        Outcome::of_trailers(|name| trailers.first(name))
    }

    /// Returns nothing: the headers have been sent.
    fn header(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}
