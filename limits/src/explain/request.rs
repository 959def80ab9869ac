//! A request described by hand, for the operator's tools.

use crate::facts::{Facts, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The request's properties. Claims and metadata are keyed by their path, joined with dots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The host, as sent.
    pub host: String,
    /// Headers, by lowercase name.
    pub headers: BTreeMap<String, String>,
    /// The claims of the verified token; empty if the request has no token.
    pub claims: BTreeMap<String, Value>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The name of the route.
    pub route_name: String,
    /// The route's metadata.
    pub route_metadata: BTreeMap<String, Value>,
    /// The dynamic metadata that other filters stored.
    pub metadata: BTreeMap<String, Value>,
}

impl Facts for Request {
    fn method(&self) -> Option<Vec<u8>> {
        Some(self.method.clone().into_bytes())
    }

    fn path(&self) -> Option<Vec<u8>> {
        Some(self.path.clone().into_bytes())
    }

    fn host(&self) -> Option<Vec<u8>> {
        Some(self.host.clone().into_bytes())
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.headers.get(name).map(|value| value.clone().into_bytes())
    }

    fn claim(&self, names: &[String]) -> Option<Value> {
        self.claims.get(&names.join(".")).cloned()
    }

    fn is_authenticated(&self) -> bool {
        !self.claims.is_empty()
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        self.client.map(|ip| ip.to_string().into_bytes())
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        Some(self.route_name.clone().into_bytes())
    }

    fn route_metadata(&self, names: &[String]) -> Option<Value> {
        self.route_metadata.get(&names.join(".")).cloned()
    }

    fn metadata(&self, names: &[String]) -> Option<Value> {
        self.metadata.get(&names.join(".")).cloned()
    }
}
