//! A bucket's behavior without the ledger as written: an action, or `{ local: { when_full: … } }`.

use super::mapping::Mapping;
use crate::policy::on_failure::{self, WhenFull};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::fmt;

/// The behavior when the ledger cannot answer: an action, or `local` with a setting.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::policy) enum OnFailure {
    /// An action.
    Named(FailureAction),
    /// Envoy counts by itself, with a setting.
    Counted(CountLocally),
}

/// An action when the ledger cannot answer.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(in crate::policy) enum FailureAction {
    /// The request passes this bucket uncounted.
    Allow,
    /// The request is refused with 503.
    Deny,
    /// Envoy counts by itself until the ledger is back.
    Local,
}

/// The counting by Envoy itself.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct CountLocally {
    /// Envoy counts by itself until the ledger is back.
    pub(in crate::policy) local: Mapping<Local>,
}

/// The settings of counting by Envoy itself.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(in crate::policy) struct Local {
    /// The behavior when Envoy's table has no place for a counter. Defaults to `deny`.
    pub(in crate::policy) when_full: WhenFull,
}

impl From<&OnFailure> for on_failure::OnFailure {
    fn from(document: &OnFailure) -> Self {
        match document {
            OnFailure::Named(FailureAction::Allow) => Self::Allow,
            OnFailure::Named(FailureAction::Deny) => Self::Deny,
            OnFailure::Named(FailureAction::Local) => Self::Local(WhenFull::default()),
            OnFailure::Counted(counted) => Self::Local(counted.local.when_full),
        }
    }
}

/// Reads text as an action and a map as [`CountLocally`]. An untagged enum would lose the location
/// of a mistake inside the map.
impl<'de> Deserialize<'de> for OnFailure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = OnFailure;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("allow, deny, local or { local: { when_full } }")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<OnFailure, E> {
        FailureAction::deserialize(StrDeserializer::new(value)).map(OnFailure::Named)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OnFailure, A::Error> {
        CountLocally::deserialize(MapAccessDeserializer::new(map)).map(OnFailure::Counted)
    }
}
