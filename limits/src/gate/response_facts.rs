//! The properties of a response that the gate reads. Implemented by the front-ends; read by `respond`.

use super::charged::Outcome;
use crate::grpc;

impl Outcome {
    /// Reads a response's headers. The status of a gRPC response can be in its trailers. `first`
    /// returns the first value of a header.
    pub fn of_headers<'a>(first: impl Fn(&str) -> Option<&'a [u8]>) -> Self {
        let status = first(":status").and_then(|status| str::from_utf8(status).ok());
        let status = status.and_then(|status| status.parse().ok()).unwrap_or(Self::UNKNOWN);
        // A gRPC server answers 200, whatever happened. Other statuses come from a proxy on the way.
        let is_grpc = status == 200 && first("content-type").is_some_and(grpc::is_grpc);
        Self {
            status: if is_grpc { grpc_status(first("grpc-status")) } else { status },
            is_cache_hit: first("x-cache").is_some_and(|cache| cache.eq_ignore_ascii_case(b"hit")),
        }
    }

    /// Reads a gRPC response's trailers. `first` returns the first value of a trailer.
    pub fn of_trailers<'a>(first: impl Fn(&str) -> Option<&'a [u8]>) -> Self {
        Self { status: grpc_status(first("grpc-status")), is_cache_hit: false }
    }
}

fn grpc_status(status: Option<&[u8]>) -> u16 {
    status.map_or(Outcome::UNKNOWN, grpc::to_http)
}

/// A response on its way to the client, read only as far as the policy needs it.
pub trait ResponseFacts {
    /// Returns the outcome that the response shows.
    fn outcome(&self) -> Outcome;
    /// Returns a header's value; repeated headers are joined by commas. `name` is lowercase.
    fn header(&self, name: &str) -> Option<Vec<u8>>;
}
