//! `GET /api/me`: who asks.

use crate::app::App;
use crate::clock;
use crate::respond::{self, ApiError};
use crate::user::UserReply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;

/// Answers with the user whose token the request carries.
///
/// # Errors
/// 401 without a good token, or when its user is gone.
pub async fn me(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    let token = bearer(&headers).ok_or(ApiError::NoToken)?;
    let user = app.accounts.authenticate(token, clock::now()).await?;
    Ok(respond::json(StatusCode::OK, &UserReply::from(&user)))
}

/// The token of the one `Authorization: Bearer` header (RFC 6750 §2.1). Two are none: whoever
/// stands in front of us may have looked at the other.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(values: &[&[u8]], expected: Option<&str>) {
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
        check(&[b"Bearer a.b.c"], Some("a.b.c"));
        check(&[b"bEARER   a.b.c "], Some("a.b.c"));
        check(&[], None);
        check(&[b"Bearer"], None);
        check(&[b"Bearer "], None);
        check(&[b"Basic YTpi"], None);
        check(&[b"a.b.c"], None);
        check(&[b"Bearer a\xff"], None);
        check(&[b"Bearer a", b"Bearer a"], None);
    }
}
