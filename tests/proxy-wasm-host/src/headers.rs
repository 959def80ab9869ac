//! An ordered header map with lowercase names and arbitrary bytes as values.

/// Headers or trailers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// Builds a map from name and value pairs.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut headers = Self::default();
        pairs.into_iter().for_each(|(name, value)| headers.add(name.as_bytes(), value.as_bytes()));
        headers
    }

    /// Returns the first value of `name`, as Envoy does for plugins.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let name = name.to_ascii_lowercase();
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_slice())
    }

    /// Returns the first value of `name` as text, or `""` if it is missing or not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name.as_bytes()).and_then(|value| str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// Appends a header, keeping other values of the same name.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        self.0.push((name.to_ascii_lowercase(), value.to_vec()));
    }

    /// Replaces all values of `name` with `value`.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let name = name.to_ascii_lowercase();
        let mut is_first = true;
        self.0.retain_mut(|(other, old)| {
            if *other != name {
                return true;
            }
            if is_first {
                *old = value.to_vec();
            }
            std::mem::take(&mut is_first)
        });
        if is_first {
            self.0.push((name, value.to_vec()));
        }
    }

    /// Removes all values of `name`.
    pub fn remove(&mut self, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(other, _)| *other != name);
    }

    /// Returns the number of headers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if the map has no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

/// Describes the error in a header that a plugin writes, or returns `None` if it is valid.
///
/// Envoy accepts invalid bytes, and the client then sees an extra header or a broken message.
#[must_use]
pub fn header_error(name: &[u8], value: &[u8]) -> Option<String> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let plain = name.strip_prefix(b":").unwrap_or(name);
    if plain.is_empty() || !plain.iter().all(is_token) {
        return Some(format!("invalid header name: {:?}", String::from_utf8_lossy(name)));
    }
    let is_forbidden = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
    value
        .iter()
        .any(is_forbidden)
        .then(|| format!("CR, LF or NUL in a header value: {:?}", String::from_utf8_lossy(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_the_first_value_wins() {
        let mut headers = Headers::of([("X-A", "1"), ("b", "2"), ("x-a", "3")]);
        assert_eq!((headers.text("x-A"), headers.len()), ("1", 3));
        headers.set(b"X-a", b"4");
        assert_eq!(headers, Headers::of([("x-a", "4"), ("b", "2")]));
        headers.set(b"c", b"5");
        headers.remove(b"B");
        assert_eq!(headers, Headers::of([("x-a", "4"), ("c", "5")]));
    }

    #[test]
    fn a_header_that_would_split_a_message_is_an_error() {
        for (name, value, is_valid) in [
            ("x-a", "any \u{e9} value", true),
            (":path", "/", true),
            ("", "x", false),
            (":", "x", false),
            ("a b", "x", false),
            ("a\r\nb", "x", false),
            ("a", "x\r\nset-cookie: y", false),
            ("a", "x\0", false),
        ] {
            assert_eq!(
                header_error(name.as_bytes(), value.as_bytes()).is_none(),
                is_valid,
                "{name:?}"
            );
        }
    }
}
