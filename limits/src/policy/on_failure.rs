//! A bucket's behavior without the ledger.

use serde::Deserialize;

/// The behavior when the ledger cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The request passes this bucket uncounted.
    Allow,
    /// The request is refused with 503.
    Deny,
    /// Envoy counts by itself until the ledger is back.
    Local(WhenFull),
}

impl OnFailure {
    /// Returns true if Envoy counts by itself.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Local(_))
    }
}

/// The behavior when Envoy's table has no place for a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// The request passes this bucket uncounted.
    Allow,
    /// The request is refused with 503.
    #[default]
    Deny,
}
