//! What a request says of itself, read from Envoy. Called by the gate through [`Facts`].

use crate::host;
use limits::plan::Facts;

/// The request of the stream whose callback is running.
pub(crate) struct RequestFacts<'a> {
    /// jwt_authn's `payload_in_metadata`.
    pub(crate) jwt_payload: &'a str,
}

/// jwt_authn writes here only what it has verified.
const JWT_METADATA: [&str; 3] = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn"];

const ROUTE_METADATA: [&str; 3] = ["xds", "route_metadata", "filter_metadata"];

impl RequestFacts<'_> {
    fn jwt_property(&self, names: &[String]) -> Option<Vec<u8>> {
        let path = JWT_METADATA.into_iter().chain([self.jwt_payload]);
        host::property(path.chain(names.iter().map(String::as_str)).collect())
    }
}

impl Facts for RequestFacts<'_> {
    fn method(&self) -> Option<Vec<u8>> {
        host::request_header(":method")
    }

    fn path(&self) -> Option<Vec<u8>> {
        host::request_header(":path")
    }

    fn host(&self) -> Option<Vec<u8>> {
        host::request_header(":authority")
    }

    /// Of a header that was sent several times, the ABI's getter gives only the first value: the one
    /// that a client wrote before a proxy added its own. The property has them all.
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        let first = host::request_header(name)?;
        Some(host::property(vec!["request", "headers", name]).unwrap_or(first))
    }

    fn claim(&self, names: &[String]) -> Option<Vec<u8>> {
        self.jwt_property(names)
    }

    fn is_authenticated(&self) -> bool {
        self.jwt_property(&[]).is_some()
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        host::property(vec!["source", "address"])
    }
    fn route_name(&self) -> Option<Vec<u8>> {
        host::property(vec!["xds", "route_name"])
    }

    fn route_metadata(&self, names: &[String]) -> Option<Vec<u8>> {
        let names = names.iter().map(String::as_str);
        host::property(ROUTE_METADATA.into_iter().chain(names).collect())
    }
}
