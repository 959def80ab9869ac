//! The cache in HTTP: the request's `Cache-Control` (RFC 9111 §5.2.1), and the reply's `X-Cache`,
//! `Age` and `Cache-Status` (RFC 9211).

use super::{Origin, Use};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use std::convert::Infallible;
use std::time::Duration;

/// The header on which policies grant refunds. `HIT` means the answer was already stored.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
/// The standard header. This cache's name in it is `tollgate`.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

impl Use {
    /// Parses the request's `Cache-Control`: `no-cache` and `max-age=0` skip the lookup, and
    /// `no-store` skips storing as well.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::CACHE_CONTROL);
        let texts = values.iter().filter_map(|value| value.to_str().ok());
        let directives = texts.flat_map(|text| text.split(',')).map(str::trim);
        directives.fold(Self::EVERYTHING, |use_, directive| {
            let is = |name: &str| directive.eq_ignore_ascii_case(name);
            if is("no-store") {
                Self { read: false, store: false }
            } else if is("no-cache") || is("max-age=0") {
                Self { read: false, ..use_ }
            } else {
                use_
            }
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Use {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

impl Origin {
    /// Adds the cache headers to `response`.
    ///
    /// `ttl` is the lifetime of the stored value.
    pub fn mark(self, ttl: Duration, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(X_CACHE, HeaderValue::from_static(self.name()));
        if let Self::Hit { age_s } = self {
            headers.insert(header::AGE, HeaderValue::from(age_s));
        }
        headers.insert(CACHE_STATUS, self.status(ttl));
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Hit { .. } => "HIT",
            Self::Miss => "MISS",
            Self::Coalesced => "COALESCED",
            Self::Bypass => "BYPASS",
        }
    }

    fn status(self, ttl: Duration) -> HeaderValue {
        match self {
            Self::Hit { age_s } => hit(ttl.as_secs().saturating_sub(age_s)),
            Self::Miss => HeaderValue::from_static("tollgate; fwd=miss"),
            Self::Coalesced => HeaderValue::from_static("tollgate; fwd=miss; collapsed"),
            Self::Bypass => HeaderValue::from_static("tollgate; fwd=bypass"),
        }
    }
}

/// Builds the `Cache-Status` of a hit with `left_s` seconds to live.
fn hit(left_s: u64) -> HeaderValue {
    let text = ["tollgate; hit; ttl=", itoa::Buffer::new().format(left_s)].concat();
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("tollgate; hit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_parsed() {
        let check = |values: &[&'static str], read, store| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CACHE_CONTROL, HeaderValue::from_static(value));
            }
            assert_eq!(Use::of(&headers), Use { read, store }, "{values:?}");
        };
        check(&[], true, true);
        check(&["max-age=60", "x"], true, true);
        check(&["no-cache"], false, true);
        check(&["max-age=0, No-Cache"], false, true);
        check(&["max-age=0"], false, true);
        check(&["no-store"], false, false);
        check(&["no-store, no-cache"], false, false);
        check(&["max-age=5 , NO-STORE", "no-cache"], false, false);
        check(&["no-cachey", "\"no-store\""], true, true);
    }

    #[test]
    fn replies_carry_cache_headers() {
        let check = |origin: Origin, expected: [Option<&str>; 3]| {
            let mut response = Response::default();
            origin.mark(Duration::from_secs(600), &mut response);
            let found = [X_CACHE, header::AGE, CACHE_STATUS]
                .map(|name| response.headers().get(name).map(|value| value.to_str().unwrap()));
            assert_eq!(found, expected);
        };
        check(Origin::Hit { age_s: 42 }, [Some("HIT"), Some("42"), Some("tollgate; hit; ttl=558")]);
        check(Origin::Miss, [Some("MISS"), None, Some("tollgate; fwd=miss")]);
        check(Origin::Coalesced, [Some("COALESCED"), None, Some("tollgate; fwd=miss; collapsed")]);
        check(Origin::Bypass, [Some("BYPASS"), None, Some("tollgate; fwd=bypass")]);
    }
}
