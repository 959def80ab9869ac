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
