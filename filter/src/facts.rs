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

impl RequestFacts<'_> {
    fn jwt_property(&self, claim: Option<&str>) -> Option<Vec<u8>> {
        let path = JWT_METADATA.into_iter().chain([self.jwt_payload]).chain(claim);
        host::property(path.collect())
    }
}

impl Facts for RequestFacts<'_> {
    fn method(&self) -> Option<Vec<u8>> {
        host::request_header(":method")
    }

    fn path(&self) -> Option<Vec<u8>> {
        host::request_header(":path")
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        host::request_header(name)
    }

    fn claim(&self, name: &str) -> Option<Vec<u8>> {
        self.jwt_property(Some(name))
    }

    fn is_authenticated(&self) -> bool {
        self.jwt_property(None).is_some()
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        host::property(vec!["source", "address"])
    }
}
