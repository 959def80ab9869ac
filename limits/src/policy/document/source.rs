//! Where a value of the request is found, as it is written.

use super::mapping::Mapping;
use serde::Deserialize;

/// The sources that are found in a request, wherever they are written.
pub(in crate::policy) struct RequestSource<'a> {
    pub(in crate::policy) jwt_claim: Option<&'a Names>,
    pub(in crate::policy) header: Option<&'a String>,
    pub(in crate::policy) host: Option<&'a Mapping<Nothing>>,
    pub(in crate::policy) route_name: Option<&'a Mapping<Nothing>>,
    pub(in crate::policy) route_metadata: Option<&'a Vec<String>>,
}

/// A claim's name; for a claim within others, the list of names that lead to it.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a claim's name, or the list of names that lead to it")]
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

/// Nothing more is to be said: `{}`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Nothing {}
