//! The cookies of a request. Called by `key`.
//!
//! Of several cookies with the same name, the first counts: browsers send the one with the longest
//! path first.
//!
//! # Source
//! RFC 6265 §4.2.1 (the `Cookie` header) and §5.4 (the order of cookies).

/// Returns the value of cookie `name` in `header`, a request's `cookie` header, without quotes
/// around it.
#[must_use]
pub fn value(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut cookies = header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let value = cookies.find_map(|cookie| {
        let rest = cookie.strip_prefix(name.as_bytes())?.trim_ascii_start();
        Some(rest.strip_prefix(b"=")?.trim_ascii_start())
    })?;
    let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    Some(unquoted.unwrap_or(value).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cookie_of_a_name_counts() {
        let check = |header: &str, expected: Option<&str>| {
            let found = value(header.as_bytes(), "sid");
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{header}");
        };
        for header in [
            "sid=1",
            "a=2; sid=1",
            "a=2;sid=1;sid=3",
            "sid=\"1\"",
            "  sid = 1 ; b",
            "; ;sid=1",
            "sid2=2; sid=1",
        ] {
            check(header, Some("1"));
        }
        check("sid=a=b", Some("a=b"));
        check("sid=a,b", Some("a,b"));
        check("sid=\"", Some("\""));
        check("sid=", Some(""));
        for header in ["", "sid", "SID=1", "xsid=1", "sid2=1", "a=sid=1"] {
            check(header, None);
        }
    }
}
