//! A request's facts, read from Envoy. Called by the gate through [`Facts`].

use crate::headers::Headers;
use crate::{direct, value};
use limits::facts::{Facts, Value};
use proxy_wasm::types::MapType;
use std::cell::OnceCell;

/// The request of the stream whose callback is running.
pub(crate) struct RequestFacts<'a> {
    /// The result of [`jwt_payload`].
    jwt_payload: &'a str,
    /// All headers, read on first use.
    headers: OnceCell<Headers>,
}

impl<'a> RequestFacts<'a> {
    pub(crate) const fn new(jwt_payload: &'a str) -> Self {
        Self { jwt_payload, headers: OnceCell::new() }
    }

    fn headers(&self) -> &Headers {
        self.headers
            .get_or_init(|| direct::headers(MapType::HttpRequestHeaders).unwrap_or_default())
    }

    fn first(&self, name: &str) -> Option<Vec<u8>> {
        self.headers().first(name).map(<[u8]>::to_vec)
    }
}

/// The metadata of jwt_authn, which contains only verified data.
const JWT_METADATA: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn";
const ROUTE_METADATA: &str = "xds\0route_metadata\0filter_metadata";

/// Returns the property path of jwt_authn's `payload_in_metadata`.
pub(crate) fn jwt_payload(name: &str) -> String {
    format!("{JWT_METADATA}\0{name}")
}

/// Reads the property at `names` below `path`.
fn property_below(path: &str, names: &[String]) -> Option<Value> {
    let length = names.iter().map(|name| name.len() + 1).sum::<usize>();
    let mut path = String::with_capacity(path.len() + length) + path;
    for name in names {
        path.push('\0');
        path.push_str(name);
    }
    direct::property(&path).map(value::read)
}

impl Facts for RequestFacts<'_> {
    fn method(&self) -> Option<Vec<u8>> {
        self.first(":method")
    }

    fn path(&self) -> Option<Vec<u8>> {
        self.first(":path")
    }

    fn host(&self) -> Option<Vec<u8>> {
        self.first(":authority")
    }

    /// Returns all values: the first can be one that a client wrote, before a proxy added its own.
    /// Envoy stores `host` as `:authority`, whichever of the two was sent.
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.headers().joined(if name == "host" { ":authority" } else { name })
    }

    fn claim(&self, names: &[String]) -> Option<Value> {
        property_below(self.jwt_payload, names)
    }

    fn is_authenticated(&self) -> bool {
        direct::property(self.jwt_payload).is_some()
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        direct::property("source\0address")
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        direct::property("xds\0route_name")
    }

    fn route_metadata(&self, names: &[String]) -> Option<Value> {
        property_below(ROUTE_METADATA, names)
    }
}
