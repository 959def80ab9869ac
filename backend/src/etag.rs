//! Versions in HTTP: `ETag`, `If-Match`, `If-None-Match` (RFC 9110 §8.8.3, §13.1).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use std::convert::Infallible;

/// The most tags read from one header.
const MAX_TAGS: usize = 16;

/// Returns the version's tag.
#[must_use]
pub(crate) fn tag(version: i64) -> HeaderValue {
    let text = ["\"", itoa::Buffer::new().format(version), "\""].concat();
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The versions that `If-Match` accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// `*`: any version.
    Any,
    /// One of these tags.
    Tags(Vec<String>),
}

impl Expected {
    /// Parses the request's `If-Match`, if present.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let tags = tags(headers, &header::IF_MATCH)?;
        Some(if tags == ["*"] { Self::Any } else { Self::Tags(tags) })
    }

    /// Returns true if the version matches. A weak tag never does.
    #[must_use]
    pub fn is(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|expected| tag(version) == expected.as_str()),
        }
    }
}

/// The versions that the client has, from `If-None-Match`. Here a weak tag counts like a strong
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known(Vec<String>);

impl Known {
    /// Parses the request's `If-None-Match`.
    #[must_use]
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(tags(headers, &header::IF_NONE_MATCH).unwrap_or_default())
    }

    /// Returns true if the client has this version.
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

/// Splits a header into tags. Our tags contain no comma, so splitting at commas is enough.
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
