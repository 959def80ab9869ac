//! The properties of a request that a policy can refer to.
//!
//! Implemented by the filter and by the operator's tools; read by [`crate::key`],
//! [`crate::matching`] and [`crate::plan`].

/// A request's properties, fetched only when the policy needs them.
pub trait Facts {
    /// Returns the `:method`, as sent.
    fn method(&self) -> Option<Vec<u8>>;
    /// Returns the `:path`, as sent.
    fn path(&self) -> Option<Vec<u8>>;
    /// Returns the `:authority`, as sent.
    fn host(&self) -> Option<Vec<u8>>;
    /// Returns a request header's value as sent; repeated headers are joined by commas. `name` is
    /// lowercase.
    fn header(&self, name: &str) -> Option<Vec<u8>>;
    /// Returns a claim of the verified token, by its path. Must never return anything that the
    /// client could have written itself.
    fn claim(&self, names: &[String]) -> Option<Value>;
    /// Returns true if there is a verified token.
    fn is_authenticated(&self) -> bool;
    /// Returns the client's trusted address, `ip:port`.
    fn client_address(&self) -> Option<Vec<u8>>;
    /// Returns the name of the route that the gateway selected.
    fn route_name(&self) -> Option<Vec<u8>>;
    /// Returns a value of that route's metadata. `names`: the namespace, then the path within it.
    fn route_metadata(&self, names: &[String]) -> Option<Value>;
}

/// The value of a claim or metadata field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, or the gateway's raw bytes for any other type.
    Text(Vec<u8>),
    /// A number.
    Number(f64),
    /// A Boolean.
    Bool(bool),
}

impl Value {
    /// Returns the value's text form, as used in tables of limits and in counter names.
    pub(crate) fn into_text(self) -> Vec<u8> {
        match self {
            Self::Text(bytes) => bytes,
            Self::Number(number) => number.to_string().into_bytes(),
            Self::Bool(is) => is.to_string().into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_a_canonical_text_form() {
        for (value, text) in [
            (Value::Number(42.0), "42"),
            (Value::Number(0.0), "0"),
            (Value::Number(0.5), "0.5"),
            (Value::Text(b"42".to_vec()), "42"),
            (Value::Bool(true), "true"),
            (Value::Bool(false), "false"),
        ] {
            assert_eq!(value.into_text(), text.as_bytes());
        }
    }
}
