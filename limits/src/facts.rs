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
    /// Returns the reason why the request's token was refused, from the metadata that
    /// [`crate::policy::Jwt`] names; `None` without a token.
    fn refused_token(&self) -> Option<Vec<u8>> {
        None
    }
    /// Returns the client's trusted address, `ip:port`.
    fn client_address(&self) -> Option<Vec<u8>>;
    /// Returns the name of the route that the gateway selected.
    fn route_name(&self) -> Option<Vec<u8>>;
    /// Returns a value of that route's metadata. `names`: the namespace, then the path within it.
    fn route_metadata(&self, names: &[String]) -> Option<Value>;
    /// Returns a value that another filter stored in the stream's dynamic metadata. `names`: the
    /// namespace, then the path within it.
    fn metadata(&self, names: &[String]) -> Option<Value>;
    /// Returns the cookies as sent, separated by semicolons.
    fn cookies(&self) -> Option<Vec<u8>> {
        self.header("cookie")
    }
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
    /// A list, in its own order.
    List(Vec<Value>),
}

impl Value {
    /// Returns the value's text form, as used in counter names. A list is sorted, without
    /// duplicates, and its items are separated by commas; `\,` is a comma in an item, and `\\` a
    /// backslash. So a list of one item usually has the form of that item.
    pub(crate) fn into_text(self) -> Vec<u8> {
        match self {
            Self::Text(bytes) => bytes,
            Self::Number(number) => number.to_string().into_bytes(),
            Self::Bool(is) => is.to_string().into_bytes(),
            Self::List(_) => {
                let mut items = self.into_items();
                items.sort_unstable();
                items.dedup();
                joined(&items)
            }
        }
    }

    /// Returns the text form of each item of a list, or of the value itself.
    pub(crate) fn into_items(self) -> Vec<Vec<u8>> {
        match self {
            Self::List(items) => items.into_iter().map(Self::into_text).collect(),
            one => vec![one.into_text()],
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into_bytes())
    }
}

/// Joins items by commas.
fn joined(items: &[Vec<u8>]) -> Vec<u8> {
    let mut joined = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            joined.push(b',');
        }
        for byte in item {
            if matches!(byte, b',' | b'\\') {
                joined.push(b'\\');
            }
            joined.push(*byte);
        }
    }
    joined
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
            (list(&["b", "a", "b"]), "a,b"),
            (list(&["pro"]), "pro"),
            (list(&["a,b"]), r"a\,b"),
            (list(&["a,b", "c\\"]), r"a\,b,c\\"),
            (Value::List(vec![Value::Number(2.0), Value::Bool(true)]), "2,true"),
            (list(&[]), ""),
        ] {
            assert_eq!(value.into_text(), text.as_bytes());
        }
    }

    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|item| Value::from(*item)).collect())
    }
}
