//! The source of a request's value, as written.

use super::mapping::Mapping;
use serde::Deserialize;

/// The request sources in a key or a limit.
pub(in crate::policy) struct RequestSource<'a> {
    pub(in crate::policy) jwt_claim: Option<&'a Names>,
    pub(in crate::policy) header: Option<&'a String>,
    pub(in crate::policy) host: Option<&'a Mapping<Nothing>>,
    pub(in crate::policy) route_name: Option<&'a Mapping<Nothing>>,
    pub(in crate::policy) route_metadata: Option<&'a Vec<String>>,
}

/// The source of a value of the request. Exactly one field must be set.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Source {
    /// A claim of the token verified by jwt_authn.
    jwt_claim: Option<Names>,
    /// A request header. Clients can set it to anything, so use only headers set by a trusted
    /// proxy.
    header: Option<String>,
    /// The requested host, in lowercase and without its port.
    host: Option<Mapping<Nothing>>,
    /// The name of Envoy's route.
    route_name: Option<Mapping<Nothing>>,
    /// The metadata of Envoy's route: the namespace, then the path to the value.
    route_metadata: Option<Vec<String>>,
}

impl Source {
    pub(in crate::policy) const fn request(&self) -> RequestSource<'_> {
        RequestSource {
            jwt_claim: self.jwt_claim.as_ref(),
            header: self.header.as_ref(),
            host: self.host.as_ref(),
            route_name: self.route_name.as_ref(),
            route_metadata: self.route_metadata.as_ref(),
        }
    }
}

/// A claim's name, or the path to a nested claim.
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Nothing {}
