//! A request's facts, read from Envoy. Called by the gate through [`Facts`].
//!
//! Envoy gives a module no access to nested metadata. So a `set_filter_state` filter before this one
//! copies each namespace that the policy refers to into filter state, as JSON: [`METADATA`] and
//! [`ROUTE_METADATA`] with the namespace's name. Clients cannot write filter state.

use crate::abi::stream::{Attribute, Headers, Part, Stream};
use limits::facts::{Facts, Value};
use limits::policy::Jwt;
use serde_json::Value as Json;
use std::cell::OnceCell;

/// The prefix of the filter state that holds a namespace of the dynamic metadata.
const METADATA: &str = "tollgate.metadata.";
/// The prefix of the filter state that holds a namespace of the route's metadata.
const ROUTE_METADATA: &str = "tollgate.route_metadata.";
/// The metadata of jwt_authn, which contains only verified data.
const JWT_NAMESPACE: &str = "envoy.filters.http.jwt_authn";
/// jwt_authn's status code for a request without a token.
const JWT_MISSED: f64 = 1.0;

/// The request of the stream whose hook is running.
pub(crate) struct RequestFacts<'a> {
    stream: &'a Stream<'a>,
    jwt: &'a Jwt,
    headers: OnceCell<Headers<'a>>,
    /// What jwt_authn says about the request's token.
    token: OnceCell<Json>,
}

impl<'a> RequestFacts<'a> {
    pub(crate) const fn of(stream: &'a Stream<'a>, jwt: &'a Jwt) -> Self {
        Self { stream, jwt, headers: OnceCell::new(), token: OnceCell::new() }
    }

    fn headers(&self) -> &Headers<'a> {
        self.headers.get_or_init(|| self.stream.headers(Part::Request))
    }

    fn first(&self, name: &str) -> Option<Vec<u8>> {
        self.headers().first(name).map(<[u8]>::to_vec)
    }

    /// Returns true if Envoy may have redirected the request internally. It then sets this header,
    /// which clients can set too.
    pub(crate) fn may_be_redirected(&self) -> bool {
        self.headers().first("x-envoy-original-url").is_some()
    }

    /// Returns true if the request is a gRPC one.
    pub(crate) fn is_grpc(&self) -> bool {
        self.headers().first("content-type").is_some_and(limits::grpc::is_grpc)
    }

    /// Reads a namespace of metadata; null if it does not exist.
    fn namespace(&self, prefix: &str, name: &str) -> Json {
        let text = self.stream.filter_state(&format!("{prefix}{name}"));
        text.and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default()
    }

    /// Reads the value at `names`: a namespace, then the path in it.
    fn nested(&self, prefix: &str, names: &[String]) -> Option<Value> {
        let (namespace, path) = names.split_first()?;
        value(at(&self.namespace(prefix, namespace), path)?)
    }

    fn token(&self) -> &Json {
        self.token.get_or_init(|| self.namespace(METADATA, JWT_NAMESPACE))
    }

    /// Returns the first of the policy's payloads that the request has.
    fn payload(&self) -> Option<&Json> {
        self.jwt.payloads.iter().find_map(|name| self.token().get(name))
    }
}

/// Returns the value at `path` in `json`.
fn at<'a>(json: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(json, |json, name| json.get(name))
}

/// Converts a value. An object has none.
fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null | Json::Object(_) => return None,
        Json::Bool(is) => Value::Bool(*is),
        Json::Number(number) => Value::Number(number.as_f64()?),
        Json::String(text) => Value::Text(text.clone().into_bytes()),
        Json::Array(items) => Value::List(items.iter().filter_map(value).collect()),
    })
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
        value(at(self.payload()?, names)?)
    }

    fn is_authenticated(&self) -> bool {
        self.payload().is_some()
    }

    fn refused_token(&self) -> Option<Vec<u8>> {
        let status = self.token().get(self.jwt.failed_status.as_ref()?)?;
        let code = status.get("code")?.as_f64().filter(|code| *code != JWT_MISSED)?;
        // With several providers, one can refuse a token that another one accepts.
        if self.is_authenticated() {
            return None;
        }
        let message = status.get("message").and_then(Json::as_str).map(str::to_owned);
        Some(message.unwrap_or_else(|| code.to_string()).into_bytes())
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        self.stream.attribute(Attribute::SourceAddress).map(<[u8]>::to_vec)
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        self.stream.attribute(Attribute::RouteName).map(<[u8]>::to_vec)
    }

    fn route_metadata(&self, names: &[String]) -> Option<Value> {
        self.nested(ROUTE_METADATA, names)
    }

    fn metadata(&self, names: &[String]) -> Option<Value> {
        self.nested(METADATA, names)
    }

    /// HTTP/2 can split its cookies into several headers, and some clients do so in HTTP/1.1.
    fn cookies(&self) -> Option<Vec<u8>> {
        self.headers().joined("cookie", b"; ")
    }
}
