//! The location of the verified token's claims, as written.

use serde::Deserialize;

/// The location of the verified token's claims.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(in crate::policy) struct Jwt {
    /// jwt_authn's `payload_in_metadata`. With several providers, a list of their names: the first
    /// one that the request has counts.
    pub(in crate::policy) payload: Payloads,
    /// jwt_authn's `failed_status_in_metadata`. With it, the gateway's log and a metric say why a
    /// token was refused. Such a request counts as one without a token.
    pub(in crate::policy) failed_status: Option<String>,
}

/// A name, or a list of names.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a name, or a list of names")]
pub(in crate::policy) enum Payloads {
    One(String),
    Several(Vec<String>),
}

impl Payloads {
    pub(in crate::policy) fn into_names(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::Several(names) => names,
        }
    }
}

impl Default for Jwt {
    fn default() -> Self {
        Self { payload: Payloads::One("jwt_payload".to_owned()), failed_status: None }
    }
}
