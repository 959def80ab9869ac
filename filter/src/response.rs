//! A response, read from Envoy. Called by the gate through [`ResponseFacts`].

use crate::direct;
use crate::headers::Headers;
use limits::gate::{Outcome, ResponseFacts};
use limits::grpc;
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
    /// Reads the status and the cache header. The status of a gRPC response can be in its trailers.
    fn outcome(&self) -> Outcome {
        let headers = self.headers();
        let status = headers.first(":status").and_then(|status| str::from_utf8(status).ok());
        let status = status.and_then(|status| status.parse().ok()).unwrap_or(Outcome::UNKNOWN);
        // A gRPC server answers 200, whatever happened. Other statuses come from a proxy on the way.
        let is_grpc = status == 200 && headers.first("content-type").is_some_and(grpc::is_grpc);
        Outcome {
            status: if is_grpc { grpc_status(headers) } else { status },
            is_cache_hit: headers
                .first("x-cache")
                .is_some_and(|cache| cache.eq_ignore_ascii_case(b"hit")),
        }
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.headers().joined(name, b",")
    }
}

impl ResponseFacts for ResponseTrailers {
    /// Reads a gRPC response's status.
    fn outcome(&self) -> Outcome {
        let trailers = direct::headers(MapType::HttpResponseTrailers).unwrap_or_default();
        Outcome { status: grpc_status(&trailers), is_cache_hit: false }
    }

    /// Returns nothing: the headers have been sent.
    fn header(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

fn grpc_status(headers: &Headers) -> u16 {
    headers.first("grpc-status").map_or(Outcome::UNKNOWN, grpc::to_http)
}
