//! How a call is refused: the only place that turns an error into an HTTP reply.
//!
//! Used by everything under [`crate::http`] and [`crate::admin`].

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use limits::json::JsonError;
use limits::problem::{self, PlacedError, Problem};
use limits::wire::MAX_BODY_BYTES;

/// The most mistakes listed in one reply; the rest are counted.
const MAX_ERRORS: usize = 256;

/// A call that was not answered as asked.
#[derive(Debug)]
pub(crate) struct Refused(Box<Reply>);

#[derive(Debug)]
struct Reply {
    problem: Problem,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// The body is no JSON, or not of the expected shape.
    pub(crate) fn unparsable(error: JsonError) -> Self {
        let detail = "The body is not what this path takes; see errors.";
        Self::new(StatusCode::BAD_REQUEST, detail).listing(error.pointer, error.message)
    }

    /// The body parses, and what it asks for makes no sense.
    pub(crate) fn invalid(mut errors: Vec<PlacedError>) -> Self {
        let found = errors.len();
        let detail = if found > MAX_ERRORS {
            format!("The body has {found} mistakes; errors lists the first {MAX_ERRORS}.")
        } else {
            "The body asks for something impossible; see errors.".to_owned()
        };
        errors.truncate(MAX_ERRORS);
        let mut refused = Self::new(StatusCode::BAD_REQUEST, detail);
        refused.0.problem.errors = errors;
        refused
    }

    /// The body is longer than is read.
    pub(crate) fn too_large() -> Self {
        let detail = format!("Expected a body of at most {MAX_BODY_BYTES} bytes, found more.");
        // What is in it was not read, so the field that is wrong is the whole of it.
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            .listing("", format!("expected at most {MAX_BODY_BYTES} bytes"))
    }

    /// The body did not arrive in time.
    pub(crate) fn slow_body() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive before the deadline.")
    }

    /// The body broke off.
    pub(crate) fn broken_body() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The body could not be read to its end.")
    }

    /// There is more to do than is taken on at once.
    pub(crate) fn overloaded() -> Self {
        Self::unavailable("Too much is waiting for the ledger already; nothing was charged.")
    }

    /// The ledger gave no answer.
    pub(crate) fn unavailable(detail: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        let mut refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        refused.0.header = Some((header::RETRY_AFTER, HeaderValue::from_static("1")));
        refused
    }

    /// No such path.
    pub(crate) fn unknown_path(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The path is there, but not for this method. (axum adds `Allow`.)
    pub(crate) fn unknown_method() -> Self {
        let detail = "This path does not take this method; see the Allow header.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
    }

    /// No token, or a wrong one.
    pub(crate) fn unauthorized() -> Self {
        let mut refused = Self::new(
            StatusCode::UNAUTHORIZED,
            "Expected an Authorization header with the bearer token that TOLLGATE_ADMIN_TOKEN sets.",
        );
        refused.0.header = Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        refused
    }

    /// The request contradicts what is there.
    pub(crate) fn conflict(detail: String) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    fn new(status: StatusCode, detail: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let problem = Problem::new(status.as_u16(), title, detail);
        Self(Box::new(Reply { problem, header: None }))
    }

    fn listing(self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let problem = self.0.problem.at(pointer, detail);
        Self(Box::new(Reply { problem, header: self.0.header }))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Reply { problem, header: extra } = *self.0;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE))];
        let mut response = (status, kind, body).into_response();
        if let Some((name, value)) = extra {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
