//! JSON without duplicate members.
//!
//! Used by [`crate::body`]. Of two members with the same name, one parser takes the first and
//! another the last. Rejecting them ensures that every reader sees what was checked.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// A value in which no object has duplicate members.
#[derive(Debug, PartialEq)]
pub(crate) struct Unambiguous(pub Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Unambiguous;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Unambiguous, E> {
        Ok(Unambiguous(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Unambiguous, E> {
        Ok(Unambiguous(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Unambiguous, E> {
        Ok(Unambiguous(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Unambiguous, E> {
        Ok(Unambiguous(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Unambiguous, E> {
        Ok(Unambiguous(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Unambiguous, E> {
        Ok(Unambiguous(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unambiguous, A::Error> {
        let mut list = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Unambiguous(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unambiguous, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Unambiguous(value) = members.next_value()?;
            if object.contains_key(&name) {
                return Err(de::Error::custom(format_args!("duplicate member {name:.64?}")));
            }
            object.insert(name, value);
        }
        Ok(Unambiguous(Value::Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::json;

    #[test]
    fn values_are_parsed_like_plain_json() {
        for text in [
            "null",
            "true",
            "-1",
            "18446744073709551615",
            "1.5",
            "\"a\"",
            "[]",
            "{}",
            r#"{"a":[1,{"b":null}],"c":{"a":1}}"#,
        ] {
            let Unambiguous(value) = serde_json::from_str(text).unwrap();
            assert_eq!(value, serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn duplicate_members_are_reported_with_their_place() {
        let found = json::parse::<Unambiguous>(br#"{"a": {"b": [1, {"c": 1, "d": 2, "c": 3}]}}"#);
        insta::assert_snapshot!(found.unwrap_err(), @r#"/a/b/1: duplicate member "c" at line 1 column 40"#);
    }
}
