//! The source of a request's value, as written.

use super::mapping::Mapping;
use serde::Deserialize;

/// The source of a value of the request. Exactly one field must be set.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(in crate::policy) struct Source {
    /// A claim of the token verified by jwt_authn.
    pub(in crate::policy) jwt_claim: Option<Names>,
    /// A request header. Clients can set it to anything, so use only headers set by a trusted
    /// proxy.
    pub(in crate::policy) header: Option<String>,
    /// A parameter of the query, decoded. The first one of this name counts. Clients can set it to
    /// anything.
    pub(in crate::policy) query: Option<String>,
    /// A cookie. The first one of this name counts. Clients can set it to anything.
    pub(in crate::policy) cookie: Option<String>,
    /// The requested host, in lowercase and without its port.
    pub(in crate::policy) host: Option<Mapping<Nothing>>,
    /// The path in its normal form, without the query.
    pub(in crate::policy) path: Option<Mapping<Nothing>>,
    /// The method, as sent.
    pub(in crate::policy) method: Option<Mapping<Nothing>>,
    /// The name of Envoy's route.
    pub(in crate::policy) route_name: Option<Mapping<Nothing>>,
    /// The metadata of Envoy's route: the namespace, then the path to the value.
    pub(in crate::policy) route_metadata: Option<Vec<String>>,
    /// The dynamic metadata that another filter of Envoy stored: the namespace, then the path to
    /// the value.
    pub(in crate::policy) metadata: Option<Vec<String>>,
    /// The number in the `content-length` header.
    pub(in crate::policy) content_length: Option<Mapping<Nothing>>,
}

/// A claim's name, or the path to a nested claim.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a claim name, or a list of names for a nested claim")]
pub(in crate::policy) enum Names {
    One(String),
    Path(Vec<String>),
}

impl Names {
    pub(in crate::policy) fn names(&self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name.clone()],
            Self::Path(names) => names.clone(),
        }
    }
}

/// An empty mapping, `{}`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Nothing {}
