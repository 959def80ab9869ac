//! The behavior of a CEL condition without a value, as used in both the document and the policy.

use serde::Deserialize;

/// The behavior if an expression cannot be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The condition counts as true.
    Match,
    /// The condition counts as false.
    #[default]
    Skip,
}
