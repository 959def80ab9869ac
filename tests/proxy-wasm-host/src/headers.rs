//! A header map: names in lower case, values of any bytes, in their order.

/// Headers or trailers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// Headers of these names and values.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut headers = Self::default();
        pairs.into_iter().for_each(|(name, value)| headers.add(name.as_bytes(), value.as_bytes()));
        headers
    }

    /// The first value of `name`, as Envoy's plugins get it.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let name = name.to_ascii_lowercase();
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_slice())
    }

    /// The first value of `name` as text; empty if there is none, or none that is UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name.as_bytes()).and_then(|value| str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// Adds one after the others.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        self.0.push((name.to_ascii_lowercase(), value.to_vec()));
    }

    /// Makes `value` the only one of `name`.
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

    /// Takes all of `name` away.
    pub fn remove(&mut self, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(other, _)| *other != name);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
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

/// What is wrong with a header that a plugin writes, if something is. Envoy takes such bytes, and
/// what the client sees of them is a header more, or a broken message.
#[must_use]
pub fn mistake(name: &[u8], value: &[u8]) -> Option<String> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let plain = name.strip_prefix(b":").unwrap_or(name);
    if plain.is_empty() || !plain.iter().all(is_token) {
        return Some(format!("no header's name: {:?}", String::from_utf8_lossy(name)));
    }
    let is_foul = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
    value
        .iter()
        .any(is_foul)
        .then(|| format!("CR, LF or NUL in a header's value: {:?}", String::from_utf8_lossy(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_know_no_case_and_the_first_value_counts() {
        let mut headers = Headers::of([("X-A", "1"), ("b", "2"), ("x-a", "3")]);
        assert_eq!((headers.text("x-A"), headers.len()), ("1", 3));
        headers.set(b"X-a", b"4");
        assert_eq!(headers, Headers::of([("x-a", "4"), ("b", "2")]));
        headers.set(b"c", b"5");
        headers.remove(b"B");
        assert_eq!(headers, Headers::of([("x-a", "4"), ("c", "5")]));
    }

    #[test]
    fn a_header_that_would_split_a_message_is_noticed() {
        for (name, value, is_right) in [
            ("x-a", "any \u{e9} value", true),
            (":path", "/", true),
            ("", "x", false),
            (":", "x", false),
            ("a b", "x", false),
            ("a\r\nb", "x", false),
            ("a", "x\r\nset-cookie: y", false),
            ("a", "x\0", false),
        ] {
            assert_eq!(mistake(name.as_bytes(), value.as_bytes()).is_none(), is_right, "{name:?}");
        }
    }
}
