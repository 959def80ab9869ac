//! Words about JSON values, for messages about mistakes in them.

use serde_json::Value;

/// The longest member's name that is repeated back.
const MAX_NAME_CHARS: usize = 64;

/// Names the kind of `value`, as in "expected a text, found a number".
#[must_use]
pub fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    }
}

/// Escapes a member's name for a JSON pointer (RFC 6901), and shortens it.
#[must_use]
pub fn escaped(name: &str) -> String {
    let escaped = name.replace('~', "~0").replace('/', "~1");
    let mut chars = escaped.chars();
    let shown: String = chars.by_ref().take(MAX_NAME_CHARS).collect();
    if chars.next().is_none() { shown } else { format!("{shown}…") }
}
