//! A bucket's behavior without the ledger, as used in both the document and the policy.

use serde::Deserialize;

/// The behavior when the ledger cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The request passes this bucket uncounted.
    Allow,
    /// The request is refused with 503.
    Deny,
    /// Envoy counts by itself until the ledger is back.
    #[default]
    Local,
}
