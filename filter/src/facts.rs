//! A request's facts, read from Envoy. Called by the gate through [`Facts`].

use crate::headers::Headers;
use crate::{direct, value};
use limits::facts::{Facts, Value};
use limits::policy::Jwt;
use proxy_wasm::types::MapType;
use std::cell::OnceCell;

/// The request of the stream whose callback is running.
pub(crate) struct RequestFacts<'a> {
    token: &'a TokenPaths,
    /// The path of the payload that the request has, out of several.
    payload: OnceCell<Option<&'a str>>,
    /// All headers, read on first use.
    headers: OnceCell<Headers>,
}

impl<'a> RequestFacts<'a> {
    pub(crate) const fn new(token: &'a TokenPaths) -> Self {
        Self { token, payload: OnceCell::new(), headers: OnceCell::new() }
    }

    /// Returns the path of the payload to read claims from. A single one need not exist.
    fn payload(&self) -> Option<&'a str> {
        match self.token.payloads.as_slice() {
            [only] => Some(only),
            several => *self.payload.get_or_init(|| {
                several.iter().map(String::as_str).find(|path| direct::has_property(path))
            }),
        }
    }

    fn headers(&self) -> &Headers {
        self.headers
            .get_or_init(|| direct::headers(MapType::HttpRequestHeaders).unwrap_or_default())
    }

    /// Returns true if Envoy may have redirected the request internally. It then sets this header,
    /// which clients can set too.
    pub(crate) fn may_be_redirected(&self) -> bool {
        self.headers().first("x-envoy-original-url").is_some()
    }

    /// Returns true if the request is a gRPC one.
    pub(crate) fn is_grpc(&self) -> bool {
        has_grpc_type(self.headers())
    }

    fn first(&self, name: &str) -> Option<Vec<u8>> {
        self.headers().first(name).map(<[u8]>::to_vec)
    }
}

/// Returns true if the request of the effective context is a gRPC one.
pub(crate) fn is_grpc() -> bool {
    direct::headers(MapType::HttpRequestHeaders).is_some_and(|headers| has_grpc_type(&headers))
}

fn has_grpc_type(request: &Headers) -> bool {
    request.first("content-type").is_some_and(limits::grpc::is_grpc)
}

/// The metadata of jwt_authn, which contains only verified data.
const JWT_METADATA: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn";
/// jwt_authn's status code for a request without a token.
const JWT_MISSED: &[u8] = b"1";
const ROUTE_METADATA: &str = "xds\0route_metadata\0filter_metadata";
/// The dynamic metadata of all filters, by namespace.
const METADATA: &str = "metadata\0filter_metadata";

/// The property paths of what jwt_authn says about a request's token.
pub(crate) struct TokenPaths {
    /// The verified payload, by provider.
    payloads: Vec<String>,
    /// The reason for a refusal, if the policy names it: its code and its text.
    failed_status: Option<[String; 2]>,
}

impl TokenPaths {
    pub(crate) fn of(jwt: &Jwt) -> Self {
        let path = |name: &String| format!("{JWT_METADATA}\0{name}");
        let status = jwt.failed_status.as_ref().map(path);
        Self {
            payloads: jwt.payloads.iter().map(path).collect(),
            failed_status: status.map(|path| [format!("{path}\0code"), format!("{path}\0message")]),
        }
    }
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
        self.headers().joined(if name == "host" { ":authority" } else { name }, b",")
    }

    fn claim(&self, names: &[String]) -> Option<Value> {
        property_below(self.payload()?, names)
    }

    fn is_authenticated(&self) -> bool {
        self.payload().is_some_and(direct::has_property)
    }

    fn refused_token(&self) -> Option<Vec<u8>> {
        let [code, message] = self.token.failed_status.as_ref()?;
        let code = direct::property(code).filter(|code| code != JWT_MISSED)?;
        // With several providers, one can refuse a token that another one accepts.
        if self.is_authenticated() {
            return None;
        }
        direct::property(message).or(Some(code))
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

    fn metadata(&self, names: &[String]) -> Option<Value> {
        property_below(METADATA, names)
    }

    /// HTTP/2 can split its cookies into several headers, and some clients do so in HTTP/1.1.
    fn cookies(&self) -> Option<Vec<u8>> {
        self.headers().joined("cookie", b"; ")
    }
}
