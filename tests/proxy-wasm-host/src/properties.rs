//! A stream's properties by path, for example `["source", "address"]`.
//!
//! A path's segments are joined with zero bytes, as in the ABI.

use crate::abi::encode_pairs;
use crate::headers::Headers;
use serde_json::Value;
use std::collections::BTreeMap;

/// The properties that a test gives to a request. Those under `request` are derived from its
/// headers.
#[derive(Debug, Clone, Default)]
pub struct Properties(BTreeMap<Vec<u8>, Found>);

/// The value of an existing property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The encoded value.
    Value(Vec<u8>),
    /// A value that has no encoding, for example a JSON null.
    NoEncoding,
}

/// Encodes a path.
#[must_use]
pub fn path(segments: &[&str]) -> Vec<u8> {
    segments.join("\0").into_bytes()
}

impl Properties {
    /// Sets a property to raw bytes. Envoy encodes text as is, and integers as 8 little-endian
    /// bytes.
    pub fn set(&mut self, segments: &[&str], value: impl Into<Vec<u8>>) {
        self.0.insert(path(segments), Found::Value(value.into()));
    }

    /// Sets a property to a document, including all paths into it, as Envoy does for a
    /// `google.protobuf.Struct`: numbers are 8-byte floats, booleans one byte, maps encoded pairs.
    pub fn set_document(&mut self, segments: &[&str], value: &Value) {
        self.0.insert(path(segments), encoded(value));
        let inner: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(name, v)| (name.clone(), v)).collect(),
            Value::Array(items) => {
                items.iter().enumerate().map(|(at, v)| (at.to_string(), v)).collect()
            }
            _ => Vec::new(),
        };
        for (name, value) in inner {
            let mut longer = segments.to_vec();
            longer.push(&name);
            self.set_document(&longer, value);
        }
    }

    /// Returns the property at `path`.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<&Found> {
        self.0.get(path)
    }
}

/// Returns a property under `request`, derived from the request's headers.
pub(crate) fn of_request(path: &[u8], headers: &Headers) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(b"request\0")?;
    if let Some(name) = rest.strip_prefix(b"headers\0") {
        return headers.get(name).map(<[u8]>::to_vec);
    }
    let header: &[u8] = match rest {
        b"path" | b"url_path" => b":path",
        b"host" => b":authority",
        b"scheme" => b":scheme",
        b"method" => b":method",
        b"id" => b"x-request-id",
        b"useragent" => b"user-agent",
        b"referer" => b"referer",
        _ => return None,
    };
    let value = headers.get(header)?;
    let end = value.iter().position(|b| *b == b'?').filter(|_| rest == b"url_path");
    value.get(..end.unwrap_or(value.len())).map(<[u8]>::to_vec)
}

fn encoded(value: &Value) -> Found {
    match value {
        Value::Null => Found::NoEncoding,
        Value::Bool(flag) => Found::Value(vec![u8::from(*flag)]),
        Value::Number(number) => {
            Found::Value(number.as_f64().unwrap_or(f64::NAN).to_le_bytes().to_vec())
        }
        Value::String(text) => Found::Value(text.clone().into_bytes()),
        Value::Array(items) => pairs(items.iter().map(|item| (encoded(item), None))),
        Value::Object(fields) => pairs(
            fields
                .iter()
                .map(|(name, value)| (Found::Value(name.clone().into()), Some(encoded(value)))),
        ),
    }
}

fn pairs(items: impl Iterator<Item = (Found, Option<Found>)>) -> Found {
    let mut headers = Headers::default();
    for (name, value) in items {
        match (name, value.unwrap_or(Found::Value(Vec::new()))) {
            (Found::Value(name), Found::Value(value)) => headers.add(&name, &value),
            _ => return Found::NoEncoding,
        }
    }
    Found::Value(encode_pairs(&headers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_can_be_read_by_every_path_into_it() {
        let mut properties = Properties::default();
        let claims =
            json!({ "sub": "42", "age": 7, "ok": true, "none": null, "in": { "er": ["a"] } });
        properties.set_document(&["metadata", "jwt"], &claims);
        let check = |segments: &[&str], expected: Option<&[u8]>| {
            let found = properties.get(&path(segments));
            assert_eq!(found, expected.map(|value| Found::Value(value.to_vec())).as_ref());
        };
        check(&["metadata", "jwt", "sub"], Some(b"42"));
        check(&["metadata", "jwt", "age"], Some(&7.0_f64.to_le_bytes()));
        check(&["metadata", "jwt", "ok"], Some(&[1]));
        check(&["metadata", "jwt", "in", "er", "0"], Some(b"a"));
        check(&["metadata", "jwt", "sub", "42"], None);
        assert_eq!(properties.get(&path(&["metadata", "jwt", "none"])), Some(&Found::NoEncoding));
        assert_eq!(properties.get(&path(&["metadata", "jwt"])), Some(&Found::NoEncoding));
    }

    #[test]
    fn request_properties_come_from_the_headers() {
        let headers = Headers::of([(":path", "/a?b"), (":method", "GET"), ("x-y", "z")]);
        let of = |segments: &[&str]| of_request(&path(segments), &headers);
        assert_eq!(of(&["request", "path"]).unwrap(), b"/a?b");
        assert_eq!(of(&["request", "url_path"]).unwrap(), b"/a");
        assert_eq!(of(&["request", "headers", "X-Y"]).unwrap(), b"z");
        assert_eq!(of(&["request", "host"]), None);
        assert_eq!(of(&["response", "code"]), None);
    }
}
