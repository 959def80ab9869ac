//! A request's body: JSON, bounded in size and time.
//!
//! Handlers in [`crate::routes`] take it as their last argument; [`crate::respond`] tells what is
//! wrong with it.

use crate::fields::Fields;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use limits::json::{self, JsonError};
use limits::problem::PlacedError;
use serde_json::Value;
use std::time::Duration;

/// The largest body, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// How long a client may take to send it.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a body that is too large is read all the same: closing on a client that is still
/// sending would take the answer away from it.
const MAX_DRAINED_BYTES: usize = 4 * 1024 * 1024;

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Not declared as JSON.
    #[error("expected a body with Content-Type: application/json")]
    NotDeclaredJson,
    /// Too many bytes.
    #[error("expected a body of at most {MAX_BYTES} bytes")]
    TooLarge,
    /// Too slow.
    #[error("expected the whole body within {} s", READ_TIMEOUT.as_secs())]
    TooSlow,
    /// The connection broke, or its framing.
    #[error("the body could not be read to its end")]
    Broken,
    /// Not JSON.
    #[error("expected JSON: {0}")]
    NotJson(JsonError),
    /// JSON, but not what is expected.
    #[error("the body is not what this route takes")]
    Unexpected(Vec<PlacedError>),
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = BodyError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, BodyError> {
        let (head, body) = request.into_parts();
        let bytes = tokio::time::timeout(READ_TIMEOUT, read(body))
            .await
            .map_err(|_elapsed| BodyError::TooSlow)??;
        if !is_json(&head.headers) {
            return Err(BodyError::NotDeclaredJson);
        }
        parse(&bytes)
    }
}

/// The whole body, if it is no larger than it may be.
async fn read(mut body: Body) -> Result<Bytes, BodyError> {
    let mut kept = Vec::new();
    let mut read_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_broken| BodyError::Broken)?;
        let Ok(data) = frame.into_data() else { continue };
        read_bytes += data.len();
        if read_bytes > MAX_DRAINED_BYTES {
            break;
        }
        if read_bytes <= MAX_BYTES {
            kept.extend_from_slice(&data);
        }
    }
    if read_bytes > MAX_BYTES { Err(BodyError::TooLarge) } else { Ok(kept.into()) }
}

/// `application/json`, whatever its parameters: JSON is UTF-8 (RFC 8259 §8.1).
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// First whether it is JSON at all, then whether it is an object: two mistakes, two statuses.
fn parse(bytes: &[u8]) -> Result<Fields, BodyError> {
    json::parse::<Value>(bytes).map_err(BodyError::NotJson)?;
    json::parse::<Fields>(bytes).map_err(|JsonError { pointer, message }| {
        BodyError::Unexpected(vec![PlacedError { pointer, detail: message }])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &[u8], expected: &str) {
        let found = match parse(body) {
            Ok(_) => "ok".to_owned(),
            Err(BodyError::Unexpected(errors)) => format!("unexpected: {errors:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(body));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        check(b"{}", "ok");
        check(b"", "expected JSON: the document: EOF while parsing a value at line 1 column 0");
        check(
            b"{\"email\": ",
            "expected JSON: /email: EOF while parsing a value at line 1 column 10",
        );
        check(b"{} {}", "expected JSON: the document: trailing characters at line 1 column 4");
        check(b"\xff", "");
        check(br#"{"email": "\ud800"}"#, "");
        check(b"[1]", "");
        check("[".repeat(10_000).as_bytes(), "");
    }

    #[test]
    fn only_json_is_json() {
        let check = |value: &str, expected| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_json(&headers), expected, "{value}");
        };
        check("application/json", true);
        check("Application/JSON ; charset=utf-8", true);
        check("application/jsonp", false);
        check("text/plain", false);
        check("", false);
        assert!(!is_json(&HeaderMap::new()));
    }
}
