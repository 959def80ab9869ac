//! What a request says of itself, as far as a policy can ask for it.
//!
//! Implemented by the filter and by the operator's tools; asked by [`crate::key`],
//! [`crate::matching`] and [`crate::plan`].

/// A request's facts, asked for only as far as the policy needs them.
pub trait Facts {
    /// Returns the `:method`, as sent.
    fn method(&self) -> Option<Vec<u8>>;
    /// Returns the `:path`, as sent.
    fn path(&self) -> Option<Vec<u8>>;
    /// Returns the `:authority`, as sent.
    fn host(&self) -> Option<Vec<u8>>;
    /// Returns a request header's value, as sent, or its values joined by commas. `name` is in lower
    /// case.
    fn header(&self, name: &str) -> Option<Vec<u8>>;
    /// Returns a claim of the verified token, by the names that lead to it; never anything that the
    /// client could write.
    fn claim(&self, names: &[String]) -> Option<Value>;
    /// Returns true if there is a verified token.
    fn is_authenticated(&self) -> bool;
    /// Returns the client's address as the gateway trusts it, `ip:port`.
    fn client_address(&self) -> Option<Vec<u8>>;
    /// Returns the name of the route that the gateway chose.
    fn route_name(&self) -> Option<Vec<u8>>;
    /// Returns a value of that route's metadata: the namespace, then the names that lead to it.
    fn route_metadata(&self, names: &[String]) -> Option<Value>;
}

/// The value of a claim or of a piece of metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text, or anything else in the bytes that the gateway has for it.
    Text(Vec<u8>),
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
}

impl Value {
    /// Returns the text that stands for this value in tables of limits and in counters' names.
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
    fn a_value_and_its_text_are_one() {
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
