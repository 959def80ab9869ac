//! The form of a bucket's refusals, as written.

use super::mapping::Mapping;
use crate::bounded::Bounded;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The form of the refusals of a bucket. If several buckets refuse a request, the one with the
/// longest wait decides.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(in crate::policy) struct Refusal {
    /// The HTTP status, except 304. Defaults to 429; to 402 for a balance that is used up; and to 403
    /// for a limit of 0 or a cost above the limit. For gRPC clients, 403 is PERMISSION_DENIED, 401 is
    /// UNAUTHENTICATED, and any other is RESOURCE_EXHAUSTED.
    pub(in crate::policy) status: Option<Bounded<300, 599>>,
    /// The body. Defaults to a problem document.
    pub(in crate::policy) body: Option<Mapping<Body>>,
    /// Headers to add, at most 16. Their values can have placeholders, as the body can.
    pub(in crate::policy) headers: BTreeMap<String, String>,
}

/// The body of a refusal, at most 16 KiB. Exactly one field must be set. `{bucket}`, `{limit}`,
/// `{retry_after_s}`, `{instance}`, `{detail}` and `{rule}` are replaced, and escaped for the format.
/// `{{limit}}` is the text `{limit}`.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(in crate::policy) struct Body {
    /// A JSON document. A string that is one placeholder becomes its value, so `"{limit}"` becomes
    /// a number.
    #[serde(deserialize_with = "present")]
    pub(in crate::policy) json: Option<Value>,
    /// An HTML page.
    pub(in crate::policy) html: Option<String>,
    /// Plain text.
    pub(in crate::policy) text: Option<String>,
}

/// Reads a value that can be `null`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
