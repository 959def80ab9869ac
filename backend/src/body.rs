//! Request bodies: JSON, limited in size and time.
//!
//! Handlers in [`crate::routes`] take a body as their last argument; [`crate::respond`] renders its
//! errors.

use crate::ai::input::MAX_CONTENT_BYTES;
use crate::fields::Fields;
use crate::unambiguous::Unambiguous;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use limits::json::{self, JsonError};
use limits::problem::PlacedError;
use resume::document::check::MAX_DOCUMENT_BYTES;
use resume::document::edit::Edit;
use serde_json::Value;
use std::time::Duration;

/// The largest body in bytes, except documents, which can take [`MAX_DOCUMENT_BYTES`].
pub(crate) const MAX_BYTES: usize = 64 * 1024;
/// The largest body in bytes that holds a document and a job description. Allows for any escaping:
/// `\u0061` takes six times the bytes of `a`, the worst case. The rest is for the other members.
pub(crate) const MAX_ASK_BYTES: usize = 6 * MAX_CONTENT_BYTES + 1024;
/// The time limit for receiving a body.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that is read of a too large body. Closing the connection while the client still sends
/// would keep it from reading the reply.
const MAX_DRAINED_BYTES: usize = 4 * 1024 * 1024;

/// A body that was rejected.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The wrong content type.
    #[error("expected a body with Content-Type: {expected}")]
    OtherType {
        /// The accepted content types.
        expected: &'static str,
    },
    /// Too many bytes.
    #[error("expected a body of at most {max_bytes} bytes")]
    TooLarge {
        /// The limit in bytes.
        max_bytes: usize,
    },
    /// The body took too long to arrive.
    #[error("expected the whole body within {} s", READ_TIMEOUT.as_secs())]
    TooSlow,
    /// The connection or its framing broke.
    #[error("the body ended early")]
    Broken,
    /// Not JSON.
    #[error("expected a JSON body")]
    NotJson(JsonError),
    /// Valid JSON with unexpected contents.
    #[error("the body does not match what this route expects")]
    Unexpected(Vec<PlacedError>),
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = BodyError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, BodyError> {
        let (declared, bytes) = take(request, MAX_BYTES).await?;
        if !declared.is(JSON) {
            return Err(BodyError::OtherType { expected: JSON });
        }
        parse(&bytes, json::parse)
    }
}

/// A JSON document without duplicate members.
#[derive(Debug)]
pub(crate) struct Document(pub Value);

impl<S: Send + Sync> FromRequest<S> for Document {
    type Rejection = BodyError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, BodyError> {
        let (declared, bytes) = take(request, MAX_DOCUMENT_BYTES).await?;
        if !declared.is(JSON) {
            return Err(BodyError::OtherType { expected: JSON });
        }
        Ok(Self(parse(&bytes, unambiguous)?))
    }
}

/// A raw object that may contain a whole document as a member.
#[derive(Debug)]
pub(crate) struct Ask(Bytes);

impl Ask {
    /// Returns the body's bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Parses the members, and rejects duplicates at any depth.
    ///
    /// # Errors
    /// [`BodyError`] if the body is not an object, or has a duplicate member.
    pub(crate) fn fields(&self) -> Result<Fields, BodyError> {
        parse(&self.0, |bytes| json::from_value(&unambiguous(bytes)?))
    }
}

impl<S: Send + Sync> FromRequest<S> for Ask {
    type Rejection = BodyError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, BodyError> {
        let (declared, bytes) = take(request, MAX_ASK_BYTES).await?;
        if !declared.is(JSON) {
            return Err(BodyError::OtherType { expected: JSON });
        }
        Ok(Self(bytes))
    }
}

/// A patch of a document.
#[derive(Debug)]
pub(crate) struct Change(pub Edit);

impl<S: Send + Sync> FromRequest<S> for Change {
    type Rejection = BodyError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, BodyError> {
        let (declared, bytes) = take(request, MAX_DOCUMENT_BYTES).await?;
        let edit = if declared.is(MERGE_PATCH) {
            Edit::Merge
        } else if declared.is(JSON_PATCH) {
            Edit::Patch
        } else {
            return Err(BodyError::OtherType { expected: PATCHES });
        };
        Ok(Self(edit(parse(&bytes, unambiguous)?)))
    }
}

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
/// The accepted types of patches.
pub(crate) const PATCHES: &str = "application/merge-patch+json or application/json-patch+json";

/// A declared media type, without its parameters. JSON is always UTF-8 (RFC 8259 §8.1).
struct Declared(Option<String>);

impl Declared {
    fn of(headers: &HeaderMap) -> Self {
        let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = declared.and_then(|declared| declared.split(';').next());
        Self(essence.map(|essence| essence.trim().to_owned()))
    }

    fn is(&self, essence: &str) -> bool {
        self.0.as_ref().is_some_and(|declared| declared.eq_ignore_ascii_case(essence))
    }
}

/// Reads the whole body and its declared type.
async fn take(request: Request, max_bytes: usize) -> Result<(Declared, Bytes), BodyError> {
    let (head, body) = request.into_parts();
    let bytes = tokio::time::timeout(READ_TIMEOUT, read(body, max_bytes))
        .await
        .map_err(|_elapsed| BodyError::TooSlow)??;
    Ok((Declared::of(&head.headers), bytes))
}

/// Reads the whole body, up to `max_bytes`.
async fn read(mut body: Body, max_bytes: usize) -> Result<Bytes, BodyError> {
    let mut collected = Vec::new();
    let mut read_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_broken| BodyError::Broken)?;
        let Ok(data) = frame.into_data() else { continue };
        read_bytes += data.len();
        if read_bytes > MAX_DRAINED_BYTES {
            break;
        }
        if read_bytes <= max_bytes {
            collected.extend_from_slice(&data);
        }
    }
    if read_bytes > max_bytes {
        Err(BodyError::TooLarge { max_bytes })
    } else {
        Ok(collected.into())
    }
}

/// Parses JSON first, then its contents: a syntax error and a wrong member have different statuses.
fn parse<T>(
    bytes: &[u8],
    as_expected: impl FnOnce(&[u8]) -> Result<T, JsonError>,
) -> Result<T, BodyError> {
    json::parse::<Value>(bytes).map_err(BodyError::NotJson)?;
    as_expected(bytes).map_err(|JsonError { pointer, message }| {
        BodyError::Unexpected(vec![PlacedError { pointer, detail: message }])
    })
}

fn unambiguous(bytes: &[u8]) -> Result<Value, JsonError> {
    json::parse::<Unambiguous>(bytes).map(|Unambiguous(value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn outcome(body: &[u8]) -> String {
        match parse(body, json::parse::<Fields>) {
            Ok(_) => "taken".to_owned(),
            Err(BodyError::Unexpected(errors)) => format!("unexpected: {errors:?}"),
            Err(BodyError::NotJson(error)) => format!("not JSON: {error}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn mistakes_are_reported_with_their_place() {
        let deep = "[".repeat(10_000);
        let bodies: [&[u8]; 14] = [
            b"{}",
            b" {\"a\": {\"b\": []}}\n",
            b"",
            b"null",
            b"[1]",
            b"{\"email\": ",
            b"{\"email\": nul}",
            b"{\"a\": [1, 2, {\"b\": 1e999}]}",
            b"{} {}",
            b"{'a': 1}",
            b"\xef\xbb\xbf{}",
            b"{\"a\": \"\xff\"}",
            br#"{"a": "\ud800"}"#,
            deep.as_bytes(),
        ];
        let outcomes: Vec<_> = bodies.into_iter().map(outcome).collect();
        insta::assert_snapshot!(outcomes.join("\n"), @r#"
        taken
        taken
        not JSON: the document: EOF while parsing a value at line 1 column 0
        unexpected: [PlacedError { pointer: "", detail: "invalid type: null, expected an object of at most 64 members at line 1 column 4" }]
        unexpected: [PlacedError { pointer: "", detail: "invalid type: sequence, expected an object of at most 64 members at line 1 column 0" }]
        not JSON: /email: EOF while parsing a value at line 1 column 10
        not JSON: /email: expected ident at line 1 column 14
        not JSON: /a/2/b: number out of range at line 1 column 24
        not JSON: the document: trailing characters at line 1 column 4
        not JSON: /?: key must be a string at line 1 column 2
        not JSON: the document: expected value at line 1 column 1
        not JSON: /a: invalid unicode code point at line 1 column 8
        not JSON: /a: unexpected end of hex escape at line 1 column 14
        not JSON: /0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0: recursion limit exceeded at line 1 column 128
        "#);
    }

    async fn length(chunks: Vec<io::Result<Vec<u8>>>) -> Result<usize, String> {
        let body = Body::from_stream(stream::iter(chunks));
        read(body, MAX_BYTES).await.map(|bytes| bytes.len()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_body_is_limited_however_it_is_chunked() {
        let too_large = || Err("expected a body of at most 65536 bytes".to_owned());
        assert_eq!(length(vec![]).await, Ok(0));
        assert_eq!(length(vec![Ok(vec![b'a'; MAX_BYTES])]).await, Ok(MAX_BYTES));
        assert_eq!(length(vec![Ok(vec![b'a'; MAX_BYTES + 1])]).await, too_large());
        assert_eq!(length((0..65).map(|_| Ok(vec![b'a'; 1024])).collect()).await, too_large());
    }

    /// Returns how many of the `sent` mebibytes are read before the body is rejected.
    async fn mebibytes_read(sent: usize) -> usize {
        let read_so_far = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&read_so_far);
        let chunks = stream::repeat_with(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, io::Error>(vec![b'a'; 1 << 20])
        });
        let found = read(Body::from_stream(chunks.take(sent)), MAX_BYTES).await;
        assert!(matches!(found, Err(BodyError::TooLarge { .. })), "{found:?}");
        read_so_far.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_too_large_body_is_drained_up_to_a_limit() {
        assert_eq!(mebibytes_read(3).await, 3);
        assert_eq!(mebibytes_read(1000).await, 5);
    }

    #[tokio::test]
    async fn a_truncated_body_is_rejected() {
        let broken = Err(io::Error::other("reset"));
        let expected = Err("the body ended early".to_owned());
        assert_eq!(length(vec![Ok(b"{}".to_vec()), broken]).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_arrives_times_out() {
        let never = Body::from_stream(stream::pending::<io::Result<Vec<u8>>>());
        let found = Fields::from_request(Request::new(never), &()).await;
        assert!(matches!(found, Err(BodyError::TooSlow)), "{found:?}");
    }

    #[test]
    fn content_types_are_compared_without_case_or_parameters() {
        let check = |value: &str, expected| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(Declared::of(&headers).is(JSON), expected, "{value}");
        };
        check("application/json", true);
        check("Application/JSON ; charset=utf-8", true);
        check("application/jsonp", false);
        check("text/plain", false);
        check("", false);
        assert!(!Declared::of(&HeaderMap::new()).is(JSON));
    }
}
