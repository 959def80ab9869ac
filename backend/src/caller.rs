//! Who asks: read off the `Authorization` header, for handlers that take a [`Caller`].

use crate::accounts::Caller;
use crate::app::App;
use crate::clock;
use crate::respond::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use std::sync::Arc;

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or(ApiError::NoToken)?;
        Ok(app.accounts.authenticate(token, clock::now()).await?)
    }
}

/// The token of the one `Authorization: Bearer` header (RFC 6750 §2.1). Two are none: whoever
/// stands in front of us may have looked at the other.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.as_bytes();
    let (scheme, mut token) = text.split_at_checked(text.iter().position(|b| *b == b' ')?)?;
    while let [b' ', rest @ ..] | [rest @ .., b' '] = token {
        token = rest;
    }
    let is_one = scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty() && token.is_ascii();
    is_one.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(values: &[&[u8]], expected: Option<&[u8]>) {
        let headers = values
            .iter()
            .map(|value| (header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap()));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        assert_eq!(bearer(&map), expected, "{values:?}");
    }

    #[test]
    fn only_one_bearer_header_is_read() {
        check(&[b"Bearer a.b.c"], Some(b"a.b.c"));
        check(&[b"bEARER   a.b.c "], Some(b"a.b.c"));
        check(&[], None);
        check(&[b"Bearer"], None);
        check(&[b"Bearer "], None);
        check(&[b"Basic YTpi"], None);
        check(&[b"a.b.c"], None);
        check(&[b"Bearer a\xff"], None);
        check(&[b"Bearer a", b"Bearer a"], None);
    }
}
