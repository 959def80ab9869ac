//! Pagination of lists: `?limit=` and `?cursor=`.
//!
//! A cursor is opaque to clients. It contains the id of the last entry seen, so every page is
//! equally cheap, and pages stay correct while entries are added and deleted.

use crate::respond::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::num::NonZeroUsize;
use url::form_urlencoded;
use uuid::Uuid;

/// The default page size.
const DEFAULT_LIMIT: usize = 20;
/// The largest page size.
const MAX_LIMIT: usize = 100;

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// The page size, 1..=100.
    pub limit: usize,
    /// The id that all entries must precede.
    pub before: Option<Uuid>,
}

/// Returns the cursor of the page after the one that ends with `last`.
#[must_use]
pub(crate) fn cursor(last: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(last.as_bytes())
}

impl Page {
    /// Parses a query string. Ignores other parameters.
    ///
    /// # Errors
    /// [`ApiError::Query`] for the first invalid parameter.
    pub(crate) fn of(query: &str) -> Result<Self, ApiError> {
        let mut page = Self { limit: DEFAULT_LIMIT, before: None };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "limit" => page.limit = limit(&value)?,
                "cursor" => page.before = Some(before(&value)?),
                _ => {}
            }
        }
        Ok(page)
    }
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::of(parts.uri.query().unwrap_or_default())
    }
}

fn limit(text: &str) -> Result<usize, ApiError> {
    let limit: Option<NonZeroUsize> = text.parse().ok();
    limit
        .map(NonZeroUsize::get)
        .filter(|limit| *limit <= MAX_LIMIT)
        .ok_or(ApiError::Query { parameter: "limit", expected: "a whole number from 1 to 100" })
}

fn before(text: &str) -> Result<Uuid, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    bytes
        .and_then(|bytes| Uuid::from_slice(&bytes).ok())
        .ok_or(ApiError::Query { parameter: "cursor", expected: "the next of the previous page" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_selects_a_page() {
        let check = |query: &str, limit, before| {
            assert_eq!(Page::of(query).unwrap(), Page { limit, before }, "{query}");
        };
        let last = Uuid::from_u128(7);
        check("", 20, None);
        check("limit=1&x=y", 1, None);
        check(&format!("cursor={}&limit=100", cursor(last)), 100, Some(last));
        for bad in [
            "limit=0",
            "limit=101",
            "limit=",
            "limit=-1",
            "limit=1e2",
            "limit=%00",
            "cursor=",
            "cursor=x",
            "cursor='",
        ] {
            assert!(Page::of(bad).is_err(), "{bad}");
        }
    }
}
