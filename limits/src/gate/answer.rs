//! The gateway's own answer to a request. Made by `verdict` and `refused`.

use std::borrow::Cow;

/// A response sent by the gateway itself, instead of the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, by lowercase name.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body: a problem+json document, unless the policy says otherwise.
    pub body: Vec<u8>,
    /// The message for a gRPC client.
    pub detail: String,
    /// The status for a gRPC client.
    pub grpc_status: i32,
    /// A line for the access log.
    pub summary: String,
}
