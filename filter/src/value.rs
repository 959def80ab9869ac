//! Decodes the values of claims and metadata. Called by [`crate::facts`].

use limits::facts::Value;

/// Decodes a value of a `google.protobuf.Struct` from Envoy's encoding: text as is, a Boolean as
/// the byte 0 or 1, and a number as the 8 bytes of a double. The bytes of a whole number include
/// NULs, which text never contains.
pub(crate) fn read(bytes: Vec<u8>) -> Value {
    let is_text = str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
    match (bytes.as_slice(), <[u8; 8]>::try_from(bytes.as_slice())) {
        ([0], _) => Value::Bool(false),
        ([1], _) => Value::Bool(true),
        (_, Ok(eight)) if !is_text => Value::Number(f64::from_le_bytes(eight)),
        _ => Value::Text(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_booleans_are_distinguished_from_text() {
        for number in [42.0, 0.0, 0.5_f64] {
            assert_eq!(read(number.to_le_bytes().to_vec()), Value::Number(number));
        }
        for text in ["42", "user1234", "né-1234", "1"] {
            assert_eq!(read(text.into()), Value::Text(text.into()));
        }
        assert_eq!(read(vec![1]), Value::Bool(true));
        assert_eq!(read(vec![0]), Value::Bool(false));
    }
}
