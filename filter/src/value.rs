//! Decodes the values of claims and metadata. Called by [`crate::facts`].

use crate::headers::Headers;
use limits::facts::Value;

/// The deepest nesting of lists that is decoded.
const MAX_DEPTH: usize = 4;

/// Decodes a value of a `google.protobuf.Struct` from Envoy's encoding: text as is, a Boolean as
/// the byte 0 or 1, a number as the 8 bytes of a double, and a list as a header map that has its
/// items as names. The bytes of a whole number and of a list include NULs, which text hardly ever
/// contains.
///
/// # Source
/// `serializeValue` in Envoy's `source/extensions/common/wasm/context.cc`.
pub(crate) fn read(bytes: Vec<u8>) -> Value {
    nested(bytes, MAX_DEPTH)
}

fn nested(bytes: Vec<u8>, depth: usize) -> Value {
    let is_text = str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
    match (bytes.as_slice(), <[u8; 8]>::try_from(bytes.as_slice())) {
        ([0], _) => Value::Bool(false),
        ([1], _) => Value::Bool(true),
        (_, Ok(eight)) if !is_text => Value::Number(f64::from_le_bytes(eight)),
        _ if is_text || depth == 0 => Value::Text(bytes),
        _ => list(bytes, depth - 1),
    }
}

fn list(bytes: Vec<u8>, depth: usize) -> Value {
    let block = Headers::new(bytes);
    match block.list() {
        Some(items) => {
            Value::List(items.into_iter().map(|item| nested(item.to_vec(), depth)).collect())
        }
        None => Value::Text(block.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers;

    #[test]
    fn numbers_and_booleans_are_distinguished_from_text() {
        for number in [42.0, 0.0, 0.5_f64] {
            assert_eq!(read(number.to_le_bytes().to_vec()), Value::Number(number));
        }
        for text in ["42", "user1234", "né-1234", "1", ""] {
            assert_eq!(read(text.into()), Value::Text(text.into()));
        }
        assert_eq!(read(vec![1]), Value::Bool(true));
        assert_eq!(read(vec![0]), Value::Bool(false));
    }

    #[test]
    fn lists_are_distinguished_from_text_and_maps() {
        let list = |items: &[&str]| headers::encode(items.iter().map(|item| (*item, "")));
        let texts =
            |items: &[&str]| Value::List(items.iter().map(|item| Value::from(*item)).collect());
        for items in [&["pro"][..], &["pro", "beta"], &[""], &[]] {
            assert_eq!(read(list(items)), texts(items));
        }
        let map = headers::encode([("a", "b")].into_iter());
        assert_eq!(read(map.clone()), Value::Text(map));
        let mut cut = list(&["pro"]);
        cut.pop();
        assert_eq!(read(cut.clone()), Value::Text(cut));
        assert_eq!(read(list(&["\u{1}"])), Value::List(vec![Value::Bool(true)]));
    }
}
