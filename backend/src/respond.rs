//! Everything that is answered instead of what was asked for, as `application/problem+json`.
//!
//! The only place that maps an error to a status. What is the service's own fault is logged here,
//! once, with its cause; the client is told only that it happened.

use crate::accounts::AccountError;
use crate::body::BodyError;
use crate::hashing::HashingError;
use crate::store::StoreError;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use limits::json::JsonError;
use limits::problem::{CONTENT_TYPE, PlacedError, Problem};
use serde::Serialize;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// What a request without a token is asked for (RFC 6750 §3).
const CHALLENGE: &str = "Bearer realm=\"tollgate\"";
/// The same, where the token was no good.
const CHALLENGE_INVALID: &str = "Bearer realm=\"tollgate\", error=\"invalid_token\"";
/// When to come back to a service that is too busy.
const RETRY_AFTER_S: &str = "1";

/// Why a route did not answer what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The body is wrong.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body's members are wrong.
    #[error("members of the body are wrong")]
    Members(Vec<PlacedError>),
    /// The account says no, or cannot say.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// There is no token where one is needed.
    #[error("expected an access token in one header, Authorization: Bearer …")]
    NoToken,
    /// No such route.
    #[error("no such route")]
    NotFound,
    /// The route has no such method.
    #[error("no such method")]
    MethodNotAllowed,
    /// As many requests are being served as may.
    #[error("too many requests at once")]
    Busy,
    /// The request took too long.
    #[error("the request took too long")]
    TimedOut,
    /// A handler panicked.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl From<Vec<PlacedError>> for ApiError {
    fn from(errors: Vec<PlacedError>) -> Self {
        Self::Members(errors)
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        ApiError::Body(self).into_response()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), error = %Chain(&self), "failed");
        }
        let mut problem = Problem::new(status.as_u16(), title(status), self.detail());
        let header = self.header();
        problem.errors = self.places();
        let mut response = problem_response(status, &problem);
        response.headers_mut().extend(header);
        response
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => match error {
                BodyError::NotDeclaredJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
                BodyError::Broken | BodyError::NotJson(_) => StatusCode::BAD_REQUEST,
                BodyError::Unexpected(_) => StatusCode::UNPROCESSABLE_ENTITY,
            },
            Self::Members(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Account(error) => match error {
                AccountError::EmailTaken => StatusCode::CONFLICT,
                AccountError::WrongCredentials
                | AccountError::Token(_)
                | AccountError::UserGone => StatusCode::UNAUTHORIZED,
                AccountError::Hashing(HashingError::Busy)
                | AccountError::Store(StoreError::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
                AccountError::Hashing(_) | AccountError::Store(_) | AccountError::Key(_) => {
                    StatusCode::INTERNAL_SERVER_ERROR
                }
            },
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy | Self::TimedOut => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What is said about it: what the client can mend, or when to come back; of our own faults
    /// only that there was one.
    fn detail(&self) -> Cow<'static, str> {
        match self.status() {
            StatusCode::INTERNAL_SERVER_ERROR => {
                "This is our fault. Quote the reply's x-request-id when you report it.".into()
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                "The service is too busy just now. Nothing was done; try again.".into()
            }
            StatusCode::NOT_FOUND => {
                "There is nothing at this path. GET / names what there is.".into()
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                "There is something at this path, with another method: see the Allow header.".into()
            }
            _ => sentence(&self.to_string()).into(),
        }
    }

    /// The header that goes with the status.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::NoToken | Self::Account(AccountError::WrongCredentials) => {
                (header::WWW_AUTHENTICATE, CHALLENGE)
            }
            _ => match self.status() {
                StatusCode::UNAUTHORIZED => (header::WWW_AUTHENTICATE, CHALLENGE_INVALID),
                StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, RETRY_AFTER_S),
                StatusCode::REQUEST_TIMEOUT => (header::CONNECTION, "close"),
                _ => return None,
            },
        };
        Some((name, HeaderValue::from_static(value)))
    }

    /// The places in the body that were wrong.
    fn places(self) -> Vec<PlacedError> {
        match self {
            Self::Body(BodyError::Unexpected(errors)) | Self::Members(errors) => errors,
            Self::Body(BodyError::NotJson(JsonError { pointer, message })) => {
                vec![PlacedError { pointer, detail: message }]
            }
            _ => Vec::new(),
        }
    }
}

/// A problem as a reply.
fn problem_response(status: StatusCode, problem: &Problem) -> Response {
    let body = serde_json::to_string(problem).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

/// A value as a JSON reply that nobody may keep: what this service answers is about someone.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_string(value).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// An error's text as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).chain(Some('.')).collect()
}

/// An error with its causes, for the log.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Answers for paths that have no route.
pub async fn not_found() -> ApiError {
    ApiError::NotFound
}

/// Answers for methods that a path does not have.
pub async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
