//! A canonical order for the members of JSON objects.
//!
//! [`crate::request`] hashes canonical JSON, and [`crate::answer`] writes it.

use serde_json::Value;
use std::collections::BTreeMap;

/// Returns the value with each object's members sorted by name.
#[must_use]
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> =
                members.iter().map(|(name, value)| (name, sorted(value))).collect();
            members.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_at_every_level() {
        let of = |text: &str| sorted(&serde_json::from_str(text).unwrap()).to_string();
        assert_eq!(of(r#"{"b":[{"d":1,"c":2}],"a":3}"#), r#"{"a":3,"b":[{"c":2,"d":1}]}"#);
    }
}
