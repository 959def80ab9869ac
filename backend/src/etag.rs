//! Versions as HTTP has them: `ETag`, `If-Match`, `If-None-Match` (RFC 9110 §8.8.3, §13.1).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use std::convert::Infallible;

/// The most tags of one header that are looked at.
const MAX_TAGS: usize = 16;

/// The version's tag.
#[must_use]
pub(crate) fn tag(version: i64) -> HeaderValue {
    let text = ["\"", itoa::Buffer::new().format(version), "\""].concat();
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What `If-Match` expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// `*`: that there is one.
    Any,
    /// One of these tags.
    Tags(Vec<String>),
}

impl Expected {
    /// What the request's `If-Match` says, if it has one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let tags = tags(headers, &header::IF_MATCH)?;
        Some(if tags == ["*"] { Self::Any } else { Self::Tags(tags) })
    }

    /// Whether the version is one that is expected. A weak tag never is.
    #[must_use]
    pub fn is(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|expected| tag(version) == expected.as_str()),
        }
    }
}

/// The versions that the client has, as the request's `If-None-Match` says. Here a weak tag is as
/// good as a strong one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known(Vec<String>);

impl Known {
    /// What the headers say.
    #[must_use]
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(tags(headers, &header::IF_NONE_MATCH).unwrap_or_default())
    }

    /// Whether this version is among them.
    #[must_use]
    pub(crate) fn has(&self, version: i64) -> bool {
        self.0.iter().any(|known| {
            known == "*" || tag(version) == known.strip_prefix("W/").unwrap_or(known.as_str())
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// The tags of a header, as they are written. (Ours hold no comma, so splitting there is enough.)
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let texts = values.filter_map(|value| value.to_str().ok());
    let tags = texts.flat_map(|text| text.split(',')).map(|tag| tag.trim().to_owned());
    Some(tags.filter(|tag| !tag.is_empty()).take(MAX_TAGS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn if_match_compares_strongly() {
        let check = |values: &[&'static str], expected: Option<bool>| {
            let found = Expected::of(&headers(header::IF_MATCH, values));
            assert_eq!(found.map(|found| found.is(7)), expected, "{values:?}");
        };
        check(&[], None);
        check(&["\"7\""], Some(true));
        check(&["\"6\", \"7\""], Some(true));
        check(&["\"6\"", "\"7\""], Some(true));
        check(&["*"], Some(true));
        check(&["\"6\""], Some(false));
        check(&["7"], Some(false));
        check(&["W/\"7\""], Some(false));
        check(&["*, \"6\""], Some(false));
        check(&[""], Some(false));
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let check = |values: &[&'static str], expected: bool| {
            let found = Known::of(&headers(header::IF_NONE_MATCH, values)).has(7);
            assert_eq!(found, expected, "{values:?}");
        };
        check(&["\"7\""], true);
        check(&["W/\"7\""], true);
        check(&["\"1\", W/\"7\""], true);
        check(&["*"], true);
        check(&["\"8\""], false);
        check(&[], false);
    }
}
