//! Authenticates requests for handlers that take a [`Caller`].

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

/// Returns the token in `Authorization: Bearer TOKEN`. Accepts one header in exactly this spelling.
///
/// RFC 6750 allows any case of `Bearer` and several spaces. The gateway's jwt_authn does not: it
/// looks for `Bearer ` and verifies the base64url characters and dots that follow. If the gateway
/// missed a token that this accepted, the request would be counted as anonymous but served as the
/// user, bypassing the user's limits. So this must not be more lenient than the gateway.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let token = value.as_bytes().strip_prefix(b"Bearer ")?;
    let is_of_a_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (!token.is_empty() && token.iter().all(is_of_a_token)).then_some(token)
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
    fn only_the_gateways_spelling_is_accepted() {
        check(&[b"Bearer a-b.c_d.e"], Some(b"a-b.c_d.e"));
        check(&[], None);
        for other in [
            &b"bearer a.b.c"[..],
            b"BEARER a.b.c",
            b"Bearer",
            b"Bearer ",
            b"Bearer  a.b.c",
            b"Bearer\ta.b.c",
            b"Bearer a.b.c ",
            b" Bearer a.b.c",
            b"Bearer \"a.b.c\"",
            b"Bearer a.b.c,",
            b"Bearer a.b.c, Bearer d.e.f",
            b"Bearer Bearer a.b.c",
            b"Basic Bearer a.b.c",
            b"Bearer a.b.c=",
            b"Bearer a\xff",
            b"Basic YTpi",
            b"a.b.c",
        ] {
            check(&[other], None);
        }
        check(&[b"Bearer a.b.c", b"Bearer a.b.c"], None);
        check(&[b"Bearer a.b.c", b"Basic YTpi"], None);
    }
}
