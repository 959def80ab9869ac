//! What a bucket does without the ledger: in the document and in the policy.

use serde::Deserialize;

/// What happens when the ledger cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The request passes this bucket, uncounted.
    Allow,
    /// The request is refused with 503.
    Deny,
    /// Envoy counts by itself until the ledger is back.
    #[default]
    Local,
}
