//! A request described by hand, for the operator's tools.

use crate::facts::{Facts, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The request's properties. Claims and metadata are keyed by their path, joined with dots. A claim
/// can also be keyed by a JSON pointer, as one with a dot in its name must be, unless it is a URI.
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
        let is_path = |name: &str| name.contains('.') && !name.contains(['/', ':']);
        let typed = match names {
            [name] if is_path(name) => None,
            _ => self.claims.get(&names.join(".")),
        };
        let escaped = names.iter().map(|name| name.replace('~', "~0").replace('/', "~1"));
        let pointer = || escaped.fold(String::new(), |pointer, name| pointer + "/" + &name);
        typed.or_else(|| self.claims.get(&pointer())).cloned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_name_with_dots_is_a_nested_claim() {
        let find = |typed: &str, path: &[&str]| {
            let claims = BTreeMap::from([(typed.to_owned(), Value::from("x"))]);
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            Request { claims, ..Request::default() }.claim(&path).is_some()
        };
        assert!(find("org.id", &["org", "id"]));
        assert!(!find("org.id", &["org.id"]));
        assert!(find("/org.id", &["org.id"]));
        assert!(find("/org/id", &["org", "id"]));
        assert!(!find("/org/id", &["org.id"]));
        assert!(find("https://a.example/org", &["https://a.example/org"]));
        assert!(find("/a~1b", &["a/b"]));
    }
}
