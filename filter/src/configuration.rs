//! Parses the policy from the plugin's configuration. Called by the root context.
//!
//! Envoy passes a `google.protobuf.Struct` in binary form (as of 1.40, although its documentation
//! says JSON), and a `StringValue` as text. Istio and Envoy Gateway send JSON text.

use limits::policy::{Policy, PolicyErrors};
use prost::Message;
use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

/// Parses the policy in `bytes`, which are JSON or a binary `Struct`.
///
/// # Errors
/// Fails with all mistakes found, each with its location.
pub(crate) fn policy(bytes: &[u8]) -> Result<Policy, PolicyErrors> {
    // A binary Struct is never valid JSON: its first key is preceded by its length.
    if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
        return Policy::from_json(bytes);
    }
    match Struct::decode(bytes) {
        Ok(document) if !document.fields.is_empty() => Policy::from_value(object(document.fields)),
        _ => Policy::from_json(bytes),
    }
}

/// Parses the JSON document in `bytes`, which are text or a binary `Struct`; null if they are
/// neither.
pub(crate) fn document(bytes: &[u8]) -> Value {
    let of_struct = || Struct::decode(bytes).ok().map(|document| object(document.fields));
    serde_json::from_slice(bytes).ok().or_else(of_struct).unwrap_or_default()
}

fn object(fields: BTreeMap<String, prost_types::Value>) -> Value {
    Value::Object(
        fields.into_iter().map(|(name, value)| (name, plain(value))).collect::<Map<_, _>>(),
    )
}

fn plain(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::NumberValue(number)) => {
            Number::from_f64(number).map_or(Value::Null, Value::Number)
        }
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(plain).collect()),
        Some(Kind::StructValue(inner)) => object(inner.fields),
    }
}
