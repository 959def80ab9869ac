//! What a request says of itself, read from Envoy. Called by the gate through [`Facts`].

use crate::host;
use limits::plan::Facts;

/// The request of the stream whose callback is running.
pub(crate) struct RequestFacts<'a> {
    /// What [`jwt_payload`] made.
    pub(crate) jwt_payload: &'a str,
}

/// jwt_authn writes here only what it has verified.
const JWT_METADATA: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn";
const ROUTE_METADATA: &str = "xds\0route_metadata\0filter_metadata";

/// The path of jwt_authn's `payload_in_metadata`.
pub(crate) fn jwt_payload(name: &str) -> String {
    format!("{JWT_METADATA}\0{name}")
}

/// What `names` lead to from `path`.
fn below(path: &str, names: &[String]) -> Option<Vec<u8>> {
    let length = names.iter().map(|name| name.len() + 1).sum::<usize>();
    let mut path = String::with_capacity(path.len() + length) + path;
    for name in names {
        path.push('\0');
        path.push_str(name);
    }
    host::property(&path)
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
        host::property(&format!("request\0headers\0{name}"))
    }

    fn claim(&self, names: &[String]) -> Option<Vec<u8>> {
        below(self.jwt_payload, names)
    }

    fn is_authenticated(&self) -> bool {
        host::property(self.jwt_payload).is_some()
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        host::property("source\0address")
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        host::property("xds\0route_name")
    }

    fn route_metadata(&self, names: &[String]) -> Option<Vec<u8>> {
        below(ROUTE_METADATA, names)
    }
}
