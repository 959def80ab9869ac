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

/// The largest whole number that a double holds exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

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

/// Returns a whole number as it was written: a `Struct` has only doubles.
#[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number in range")]
fn whole(number: f64) -> Option<i64> {
    let is_whole = number.fract() == 0.0 && number.abs() <= MAX_EXACT;
    is_whole.then_some(number as i64)
}

fn plain(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::NumberValue(number)) => {
            let number = whole(number).map(Number::from).or_else(|| Number::from_f64(number));
            number.map_or(Value::Null, Value::Number)
        }
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(plain).collect()),
        Some(Kind::StructValue(inner)) => object(inner.fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_struct_are_read_as_written() {
        for (number, expected) in [
            (5.0, "5"),
            (-1.0, "-1"),
            (0.5, "0.5"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e300, "1e+300"),
            (f64::NAN, "null"),
        ] {
            let value = prost_types::Value { kind: Some(Kind::NumberValue(number)) };
            assert_eq!(plain(value).to_string(), expected);
        }
    }
}
