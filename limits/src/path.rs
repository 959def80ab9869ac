//! Normalizes a request's path to the form that a server would see. Called by `plan`.
//!
//! Rules are matched on the result, so that respelling a path cannot bypass a rule:
//! - The query and the fragment are cut off.
//! - `%XX` is decoded once. A decoded slash, backslash, NUL or other control character is an error,
//!   because servers disagree on its meaning. So is anything that is not UTF-8, including overlong
//!   forms.
//! - A backslash counts as a slash, as it does in browsers.
//! - `;parameters` of a segment are dropped, as in servlet containers.
//! - Empty segments, `.` and `..` are resolved. A `..` above the root is an error.
//! - A trailing slash is dropped. Case is kept.
//!
//! A policy can accept escaped slashes and undecodable bytes. `spelling` then reads such a path in
//! each of the ways in which servers do.

pub(crate) mod spelling;

/// A path's segments, decoded and resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath {
    segments: Vec<String>,
}

/// A path that cannot be normalized. The gateway answers the request with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// Neither `/…` nor `*`.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// A `%` that is not followed by two hex digits.
    #[error("the path has a % that is not followed by two hex digits")]
    BadEscape,
    /// `%2F` or `%5C`.
    #[error("the path has an escaped slash or backslash")]
    EscapedSlash,
    /// A control character, escaped or not.
    #[error("the path has a control character")]
    Control,
    /// Bytes that are not UTF-8.
    #[error("the path is not UTF-8 once unescaped")]
    NotUtf8,
    /// More `..` than preceding segments.
    #[error("the path leads above the root")]
    AboveRoot,
    /// More than [`MAX_SEGMENTS`] segments.
    #[error("the path has more than 256 segments")]
    TooDeep,
}

/// The most segments in a path.
pub const MAX_SEGMENTS: usize = 256;

impl NormalPath {
    /// Normalizes `raw`, the `:path` of a request.
    ///
    /// # Errors
    /// [`BadPath`] if servers could disagree on the path's meaning.
    ///
    /// # Source
    /// RFC 3986 §5.2.4 (dot segments) and §6.2.2 (escapes).
    pub fn parse(raw: &[u8]) -> Result<Self, BadPath> {
        let mut segments = Vec::new();
        let Some(path) = absolute(raw)? else {
            return Ok(Self { segments: vec!["*".to_owned()] });
        };
        for segment in split(path) {
            let name = without_parameters(segment);
            if name.len() < segment.len() && has_escaped_slash(segment) {
                return Err(BadPath::EscapedSlash);
            }
            push(&mut segments, decode(name)?)?;
        }
        Ok(Self { segments })
    }

    /// Returns the segments, starting at the root.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }
}

impl std::fmt::Display for NormalPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        self.segments.iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

/// Returns the part of `raw` before the query and the fragment, or `None` for `*`.
fn absolute(raw: &[u8]) -> Result<Option<&[u8]>, BadPath> {
    let path = raw.get(..path_bytes(raw)).unwrap_or_default();
    match path.first() {
        Some(b'/' | b'\\') => Ok(Some(path)),
        Some(b'*') if path.len() == 1 => Ok(None),
        _ => Err(BadPath::NotAbsolute),
    }
}

/// Returns the length of the part before the query and the fragment.
fn path_bytes(raw: &[u8]) -> usize {
    raw.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(raw.len())
}

fn split(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| matches!(b, b'/' | b'\\'))
}

/// Returns true if `segment` has an escaped slash or backslash.
fn has_escaped_slash(segment: &[u8]) -> bool {
    segment
        .windows(3)
        .any(|three| matches!(three, [b'%', b'2', b'F' | b'f'] | [b'%', b'5', b'C' | b'c']))
}

fn push(segments: &mut Vec<String>, segment: String) -> Result<(), BadPath> {
    match segment.as_str() {
        "" | "." => Ok(()),
        ".." => segments.pop().map(|_| ()).ok_or(BadPath::AboveRoot),
        _ if segments.len() == MAX_SEGMENTS => Err(BadPath::TooDeep),
        _ => {
            segments.push(segment);
            Ok(())
        }
    }
}

fn without_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|b| *b == b';').next().unwrap_or_default()
}

/// Decodes a segment's escapes. An escaped `;` is part of the name; it does not start parameters.
fn decode(segment: &[u8]) -> Result<String, BadPath> {
    // Most segments need no decoding, and this is several times as fast.
    if segment.iter().all(|b| matches!(b, b' '..=b'~') && *b != b'%') {
        return std::str::from_utf8(segment).map(str::to_owned).map_err(|_| BadPath::NotUtf8);
    }
    let mut bytes = segment.iter().copied();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        let plain = if byte == b'%' { unescape(bytes.next(), bytes.next())? } else { byte };
        if plain.is_ascii_control() {
            return Err(BadPath::Control);
        }
        decoded.push(plain);
    }
    let text = String::from_utf8(decoded).map_err(|_| BadPath::NotUtf8)?;
    // Catches the control characters above 0x7f too (U+0080 to U+009F).
    if text.contains(char::is_control) { Err(BadPath::Control) } else { Ok(text) }
}

fn unescape(high: Option<u8>, low: Option<u8>) -> Result<u8, BadPath> {
    match hex(high, low).ok_or(BadPath::BadEscape)? {
        b'/' | b'\\' => Err(BadPath::EscapedSlash),
        byte => Ok(byte),
    }
}

/// Returns the byte that two hex digits stand for.
fn hex(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8], expected: Result<&str, BadPath>) {
        let found = NormalPath::parse(raw).map(|path| path.to_string());
        assert_eq!(found.as_deref(), expected.as_ref().map(|s| *s), "{}", raw.escape_ascii());
    }

    #[test]
    fn all_spellings_of_a_path_have_one_normal_form() {
        for raw in [
            "/api/auth/login",
            "/api/auth/login/",
            "//api//auth///login",
            "/./api/./auth/login/.",
            "/x/../api/auth/login",
            "/api/auth/x/../login",
            "/api/auth/%6cogin",
            "/%61%70%69/auth/login",
            "/%2e/api/auth/login",
            "/x/%2E%2e/api/auth/login",
            "/x/.%2e/api/auth/login",
            "/api/auth/login?x=1",
            "/api/auth/login?x=/../..",
            "/api/auth/login#top",
            "/api/auth/login;v=1",
            "/api;a=b/auth;c/login",
            "/x/..;/api/auth/login",
            "/api/auth/login/;",
            "\\api\\auth\\login",
            "/api/auth\\login",
            "/x\\..\\api/auth/login",
            "/api/auth/login//",
            "/api/auth/login/./",
            "/api/auth/login/x/..",
        ] {
            check(raw.as_bytes(), Ok("/api/auth/login"));
        }
    }

    #[test]
    fn different_paths_stay_different() {
        check(b"/", Ok("/"));
        check(b"/?", Ok("/"));
        check(b"*", Ok("/*"));
        check(b"/API/auth", Ok("/API/auth"));
        check(b"/a%252Fb", Ok("/a%2Fb"));
        check(b"/a%3Bb", Ok("/a;b"));
        check(b"/a%3Fb", Ok("/a?b"));
        check(b"/...", Ok("/..."));
        check(b"/%C3%A9t%C3%A9", Ok("/été"));
        check("/été".as_bytes(), Ok("/été"));
        check(b"/a+b", Ok("/a+b"));
    }

    #[test]
    fn paths_that_servers_disagree_on_are_refused() {
        check(b"", Err(BadPath::NotAbsolute));
        check(b"api", Err(BadPath::NotAbsolute));
        check(b"http://host/api", Err(BadPath::NotAbsolute));
        check(b"/a%2Fb", Err(BadPath::EscapedSlash));
        check(b"/a%2fb", Err(BadPath::EscapedSlash));
        check(b"/a%5Cb", Err(BadPath::EscapedSlash));
        check(b"/a;x=%2Fb", Err(BadPath::EscapedSlash));
        check(b"/a;%5c..", Err(BadPath::EscapedSlash));
        check(b"/a%00b", Err(BadPath::Control));
        check(b"/a%0d%0ab", Err(BadPath::Control));
        check(b"/a\x01b", Err(BadPath::Control));
        check(b"/a%7f", Err(BadPath::Control));
        check(b"/a%c2%9c", Err(BadPath::Control));
        check(b"/a\xc2\x9c", Err(BadPath::Control));
        check(b"/a%", Err(BadPath::BadEscape));
        check(b"/a%4", Err(BadPath::BadEscape));
        check(b"/a%zz", Err(BadPath::BadEscape));
        check(b"/a%+1", Err(BadPath::BadEscape));
        check(b"/%c0%af", Err(BadPath::NotUtf8));
        check(b"/%e0%80%af", Err(BadPath::NotUtf8));
        check(b"/\xff", Err(BadPath::NotUtf8));
        check(b"/..", Err(BadPath::AboveRoot));
        check(b"/a/../..", Err(BadPath::AboveRoot));
        check("/a".repeat(257).as_bytes(), Err(BadPath::TooDeep));
    }
}
