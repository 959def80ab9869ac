//! Deserializes a parsed JSON document and locates the first mistake.
//!
//! serde_path_to_error does this for every format, with a wrapper around each type's code. Without
//! the wrappers, the filter is 45 KB smaller. Enums can only have variants without content.

use super::pointer::escape;
use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Expected, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, map};
use std::fmt::{self, Display};
use std::slice;

/// A part of the document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a>(pub(super) &'a Value);

/// A mistake, and the way to it.
#[derive(Debug)]
pub(super) struct Located(Box<(serde_json::Error, Vec<String>)>);

impl Located {
    /// Adds the name or index of a part that contains the mistake.
    fn inside(mut self, token: impl FnOnce() -> String) -> Self {
        self.0.1.push(token());
        self
    }

    /// Returns the location as a JSON pointer, and the message.
    pub(super) fn into_parts(self) -> (String, String) {
        let (error, path) = *self.0;
        (path.iter().rev().map(|token| format!("/{}", escape(token))).collect(), error.to_string())
    }
}

impl From<serde_json::Error> for Located {
    fn from(error: serde_json::Error) -> Self {
        Self(Box::new((error, Vec::new())))
    }
}

impl Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.fmt(f)
    }
}

impl std::error::Error for Located {}

/// Words messages as serde_json does.
impl de::Error for Located {
    fn custom<T: Display>(message: T) -> Self {
        serde_json::Error::custom(message).into()
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        serde_json::Error::invalid_type(found, expected).into()
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        serde_json::Error::invalid_value(found, expected).into()
    }
}

impl Part<'_> {
    fn invalid(self, expected: &dyn Expected) -> Located {
        de::Error::invalid_type(
            match self.0 {
                Value::Null => Unexpected::Unit,
                Value::Bool(is) => Unexpected::Bool(*is),
                Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                    (Some(number), _) => Unexpected::Unsigned(number),
                    (None, Some(number)) => Unexpected::Signed(number),
                    (None, None) => Unexpected::Float(number.as_f64().unwrap_or_default()),
                },
                Value::String(text) => Unexpected::Str(text),
                Value::Array(_) => Unexpected::Seq,
                Value::Object(_) => Unexpected::Map,
            },
            expected,
        )
    }
}

impl<'de> Deserializer<'de> for Part<'de> {
    type Error = Located;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(is) => visitor.visit_bool(*is),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        match self.0 {
            Value::Bool(is) => visitor.visit_bool(*is),
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Located> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        let Value::Array(items) = self.0 else { return Err(self.invalid(&visitor)) };
        let mut rest = Items { rest: items.iter(), count: items.len() };
        let value = visitor.visit_seq(&mut rest)?;
        match rest.rest.len() {
            0 => Ok(value),
            _ => Err(de::Error::invalid_length(items.len(), &"fewer elements in array")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        match self.0 {
            Value::Object(fields) => visitor.visit_map(Fields::of(fields)),
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Located> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(StrDeserializer::new(name)),
            _ => Err(self.invalid(&"a string")),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct struct ignored_any
    }
}

/// The rest of a list.
struct Items<'a> {
    rest: slice::Iter<'a, Value>,
    count: usize,
}

impl<'de> SeqAccess<'de> for &mut Items<'de> {
    type Error = Located;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Located> {
        let index = self.count - self.rest.len();
        let Some(item) = self.rest.next() else { return Ok(None) };
        let read = seed.deserialize(Part(item)).map(Some);
        read.map_err(|error| error.inside(|| index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The rest of a mapping, and the field whose value is next.
struct Fields<'a> {
    rest: map::Iter<'a>,
    field: Option<(&'a String, &'a Value)>,
}

impl<'a> Fields<'a> {
    fn of(fields: &'a Map<String, Value>) -> Self {
        Self { rest: fields.iter(), field: None }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Located;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Located> {
        self.field = self.rest.next();
        let Some((name, _)) = self.field else { return Ok(None) };
        let read = seed.deserialize(StrDeserializer::new(name)).map(Some);
        read.map_err(|error: Located| error.inside(|| name.clone()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Located> {
        let Some((name, value)) = self.field else {
            return Err(de::Error::custom("value is missing"));
        };
        seed.deserialize(Part(value)).map_err(|error| error.inside(|| name.clone()))
    }
}

#[cfg(test)]
mod tests;
