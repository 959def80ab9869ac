//! The parameters of a request's query. Called by `key`.
//!
//! Read as servers read `application/x-www-form-urlencoded` text: `&` separates the parameters, `+`
//! is a space, and `%XX` is decoded in names and values. An invalid escape stands for itself. Of
//! several parameters with the same name, the first counts.
//!
//! # Source
//! WHATWG URL Standard §5.1 (application/x-www-form-urlencoded parsing).

/// Returns the value of parameter `name` in `path`, a request's `:path`. Empty for a parameter
/// without a value.
#[must_use]
pub fn parameter(path: &[u8], name: &str) -> Option<Vec<u8>> {
    let before_fragment = path.split(|byte| *byte == b'#').next()?;
    let (_, query) = split(before_fragment, b'?')?;
    let mut parameters = query.split(|byte| *byte == b'&');
    let value = parameters.find_map(|parameter| {
        let (found, value) = split(parameter, b'=').unwrap_or((parameter, &[]));
        decoded(found).eq(name.bytes()).then_some(value)
    })?;
    Some(decoded(value).collect())
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(text.iter().position(|byte| *byte == at)?)?;
    Some((before, rest.split_first()?.1))
}

fn decoded(mut text: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (byte, rest) = text.split_first()?;
        text = rest;
        match byte {
            b'+' => Some(b' '),
            b'%' => Some(take_escape(&mut text).unwrap_or(b'%')),
            plain => Some(*plain),
        }
    })
}

/// Takes two hex digits from the front of `text`.
fn take_escape(text: &mut &[u8]) -> Option<u8> {
    let ([high, low], rest) = text.split_first_chunk()?;
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    *text = rest;
    Some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_by_its_decoded_name() {
        let check = |path: &str, expected: Option<&str>| {
            let found = parameter(path.as_bytes(), "api key");
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{path}");
        };
        for path in [
            "/a?api+key=1",
            "/a?api%20key=1",
            "/?x=2&api+%6bey=%31",
            "/?&&api+key=1&api+key=2",
            "/a?api+key=1#api+key=3",
        ] {
            check(path, Some("1"));
        }
        check("/a?api+key=a%2Bb+c%26d=e", Some("a+b c&d=e"));
        check("/a?api+key=%zz%4", Some("%zz%4"));
        check("/a?api+key=%E2%82%AC", Some("€"));
        check("/a?api+key=a?b", Some("a?b"));
        for path in ["/a?api+key", "/a?api+key=", "/a?api+key=&api+key=1"] {
            check(path, Some(""));
        }
        for path in ["", "/api+key=1", "/a?", "/a?API+key=1", "/a?api+keys=1", "/a#?api+key=1"] {
            check(path, None);
        }
        assert_eq!(parameter(b"/?a=%ff", "a"), Some(vec![0xff]));
    }
}
