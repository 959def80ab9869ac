//! Helpers for error messages about JSON values.

use serde_json::Value;

/// The most characters of a member name that an error repeats.
const MAX_NAME_CHARS: usize = 64;

/// Returns the kind of `value` with its article, as in "expected a string, found a number".
#[must_use]
pub fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}

/// Escapes a member name for a JSON pointer (RFC 6901) and shortens it.
#[must_use]
pub fn escaped(name: &str) -> String {
    let escaped = name.replace('~', "~0").replace('/', "~1");
    let mut chars = escaped.chars();
    let shown: String = chars.by_ref().take(MAX_NAME_CHARS).collect();
    if chars.next().is_none() { shown } else { format!("{shown}…") }
}
