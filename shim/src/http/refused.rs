//! Refusals. Nothing else turns an error into an HTTP response.
//!
//! Used by everything under [`crate::http`] and by [`crate::admin`].

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use limits::json::JsonError;
use limits::problem::{self, PlacedError, Problem};
use limits::wire::MAX_BODY_BYTES;

/// The most mistakes listed in one response. Further ones are only counted.
const MAX_ERRORS: usize = 256;

/// The refusal of a call.
#[derive(Debug)]
pub(crate) struct Refused(Box<Reply>);

#[derive(Debug)]
struct Reply {
    problem: Problem,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// Refuses a body that is not JSON or has the wrong shape.
    pub(crate) fn unparsable(error: JsonError) -> Self {
        let detail = "The body is not valid for this path; see errors.";
        Self::new(StatusCode::BAD_REQUEST, detail).listing(error.pointer, error.message)
    }

    /// Refuses a body that parses but has invalid values.
    pub(crate) fn invalid(mut errors: Vec<PlacedError>) -> Self {
        let found = errors.len();
        let detail = if found > MAX_ERRORS {
            format!("The body has {found} mistakes; errors lists the first {MAX_ERRORS}.")
        } else {
            "The body has invalid values; see errors.".to_owned()
        };
        errors.truncate(MAX_ERRORS);
        let mut refused = Self::new(StatusCode::BAD_REQUEST, detail);
        refused.0.problem.errors = errors;
        refused
    }

    /// Refuses a body of more than [`MAX_BODY_BYTES`].
    pub(crate) fn too_large() -> Self {
        let detail = format!("Expected a body of at most {MAX_BODY_BYTES} bytes, found more.");
        // The empty pointer stands for the whole body.
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            .listing("", format!("expected at most {MAX_BODY_BYTES} bytes"))
    }

    /// Refuses a body that did not arrive in time.
    pub(crate) fn slow_body() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive before the deadline.")
    }

    /// Refuses a body that ended early.
    pub(crate) fn broken_body() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The body ended before it was complete.")
    }

    /// Refuses a call because too many are in progress.
    pub(crate) fn overloaded() -> Self {
        Self::unavailable("Too many calls are in progress; nothing was charged.")
    }

    /// Refuses a call that the ledger could not answer. Clients can retry after a second.
    pub(crate) fn unavailable(detail: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        let mut refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        refused.0.header = Some((header::RETRY_AFTER, HeaderValue::from_static("1")));
        refused
    }

    /// Refuses an unknown path.
    pub(crate) fn unknown_path(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Refuses a method that the path does not support. (axum adds `Allow`.)
    pub(crate) fn unknown_method() -> Self {
        let detail = "This path does not support this method; see the Allow header.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
    }

    /// Refuses a request without the right token.
    pub(crate) fn unauthorized() -> Self {
        let mut refused = Self::new(
            StatusCode::UNAUTHORIZED,
            "Expected an Authorization header with the bearer token set in TOLLGATE_ADMIN_TOKEN.",
        );
        refused.0.header = Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        refused
    }

    /// Refuses a change that conflicts with the current state.
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
