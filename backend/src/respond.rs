//! Error replies, as `application/problem+json`.
//!
//! The only module that maps errors to statuses. The service's own failures are logged here, once,
//! with their cause. The client learns only that there was one.

use crate::accounts::AccountError;
use crate::ai::AiError;
use crate::ai::error::Failure;
use crate::body::{BodyError, PATCHES};
use crate::cache::Aborted;
use crate::hashing::HashingError;
use crate::key_watch::KeyWatchError;
use crate::resumes::ResumeError;
use crate::store::StoreError;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use limits::json::JsonError;
use limits::problem::{CONTENT_TYPE, PlacedError, Problem};
use serde::Serialize;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The challenge to a request without a token (RFC 6750 §3).
const CHALLENGE: &str = "Bearer realm=\"tollgate\"";
/// The challenge to a request with an invalid token.
const CHALLENGE_INVALID: &str = "Bearer realm=\"tollgate\", error=\"invalid_token\"";
/// The `Retry-After` of a busy service, in seconds.
const RETRY_AFTER_S: &str = "1";

/// The `http` crate has no constant for this header.
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// A request that failed or was rejected.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The body was rejected.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Members of the body are invalid.
    #[error("the body has invalid members")]
    Members(Vec<PlacedError>),
    /// The account operation failed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The résumé operation failed.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// An AI request names a résumé that doesn't exist or belongs to another user.
    #[error("expected the id of one of your résumés")]
    NoSuchResume,
    /// Claude gave no usable answer.
    #[error(transparent)]
    Ai(Arc<AiError>),
    /// A value for the cache could not be loaded.
    #[error(transparent)]
    Load(#[from] Aborted),
    /// A query parameter is invalid.
    #[error("query parameter {parameter}: expected {expected}")]
    Query {
        /// The parameter's name.
        parameter: &'static str,
        /// The expected form.
        expected: &'static str,
    },
    /// A change doesn't name the version it applies to.
    #[error("expected If-Match with the ETag of the version to change")]
    NoIfMatch,
    /// The access token is missing.
    #[error("expected an access token in one header, Authorization: Bearer …")]
    NoToken,
    /// The path has no route.
    #[error("no route has this path")]
    NotFound,
    /// The route doesn't support the method.
    #[error("the route does not support this method")]
    MethodNotAllowed,
    /// Too many requests are in progress.
    #[error("too many requests at once")]
    Busy,
    /// The request exceeded its time limit.
    #[error("the request took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
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
        let (status, header) = (self.status(), self.header());
        let mut response = problem_response(status, &self.into_problem());
        response.headers_mut().extend(header);
        response
    }
}

impl ApiError {
    /// Builds the problem for the client, and logs the failures that aren't the client's fault.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        let status = self.status();
        match status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(error = %Chain(&self), "request failed")
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                tracing::warn!(error = %Chain(&self), "request refused");
            }
            _ if matches!(self, Self::Ai(_)) => {
                tracing::warn!(error = %Chain(&self), "request refused");
            }
            _ => {}
        }
        let mut problem = Problem::new(status.as_u16(), title(status), self.detail());
        problem.errors = self.places();
        problem
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => match error {
                BodyError::OtherType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
                BodyError::Broken | BodyError::NotJson(_) => StatusCode::BAD_REQUEST,
                BodyError::Unexpected(_) => StatusCode::UNPROCESSABLE_ENTITY,
            },
            Self::Members(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Account(error) => match error {
                AccountError::EmailTaken => StatusCode::CONFLICT,
                AccountError::WrongCredentials
                | AccountError::Token(_)
                | AccountError::SessionEnded
                | AccountError::BadRefreshToken => StatusCode::UNAUTHORIZED,
                AccountError::WrongPassword | AccountError::NotPaid => StatusCode::FORBIDDEN,
                AccountError::TooManyGuesses(_) => StatusCode::TOO_MANY_REQUESTS,
                AccountError::Hashing(HashingError::Busy)
                | AccountError::Store(StoreError::Unavailable)
                | AccountError::KeyWatch(KeyWatchError::Store(StoreError::Unavailable)) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                AccountError::Hashing(_)
                | AccountError::Store(_)
                | AccountError::Key(_)
                | AccountError::KeyWatch(_)
                | AccountError::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::NoSuchResume => StatusCode::NOT_FOUND,
            Self::Ai(error) => ai_status(error),
            Self::Resume(error) => resume_status(error),
            Self::Load(error) => load_status(*error),
            Self::Query { .. } => StatusCode::BAD_REQUEST,
            Self::NoIfMatch => StatusCode::PRECONDITION_REQUIRED,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy | Self::TimedOut(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the problem's detail: how to fix the request, or when to retry. Hides the cause of
    /// internal errors.
    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Ai(error) if error.failure() != Failure::Ours => {
                return ai_detail(error.failure()).into();
            }
            Self::NoSuchResume => return "No résumé has this id.".into(),
            _ => {}
        }
        match self.status() {
            StatusCode::INTERNAL_SERVER_ERROR => {
                "This is our fault. Quote the reply's x-request-id when you report it.".into()
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                "The service is temporarily unavailable. Try again.".into()
            }
            StatusCode::NOT_FOUND => "No route has this path. GET / lists the routes.".into(),
            StatusCode::METHOD_NOT_ALLOWED => {
                "This path does not support the method: see the Allow header.".into()
            }
            _ => sentence(&self.to_string()).into(),
        }
    }

    /// Returns the header that accompanies the status.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            // Only if the time is known. Clients would rely on a guess.
            Self::Ai(error) => {
                return error.retry_after().map(|wait| (header::RETRY_AFTER, whole_seconds(wait)));
            }
            Self::Account(AccountError::TooManyGuesses(wait)) => {
                return Some((header::RETRY_AFTER, whole_seconds(*wait)));
            }
            // A tenth of the time limit is short compared with the wait so far.
            Self::TimedOut(longest) => {
                return Some((header::RETRY_AFTER, whole_seconds(*longest / 10)));
            }
            Self::NoToken | Self::Account(AccountError::WrongCredentials) => {
                (header::WWW_AUTHENTICATE, CHALLENGE)
            }
            _ => match self.status() {
                StatusCode::UNAUTHORIZED => (header::WWW_AUTHENTICATE, CHALLENGE_INVALID),
                StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, RETRY_AFTER_S),
                StatusCode::REQUEST_TIMEOUT => (header::CONNECTION, "close"),
                StatusCode::UNSUPPORTED_MEDIA_TYPE => return self.accepted(),
                _ => return None,
            },
        };
        Some((name, HeaderValue::from_static(value)))
    }

    /// Returns the accepted types of patches, if another type was sent (RFC 5789 §2.2).
    fn accepted(&self) -> Option<(HeaderName, HeaderValue)> {
        let Self::Body(BodyError::OtherType { expected: PATCHES }) = self else { return None };
        let types = "application/merge-patch+json, application/json-patch+json";
        Some((ACCEPT_PATCH, HeaderValue::from_static(types)))
    }

    /// Returns the invalid places in the body.
    fn places(self) -> Vec<PlacedError> {
        match self {
            Self::Body(BodyError::Unexpected(errors))
            | Self::Members(errors)
            | Self::Resume(ResumeError::Invalid(errors) | ResumeError::BadEdit(errors)) => errors,
            Self::NoSuchResume => {
                let (pointer, detail) = ("/resume_id".to_owned(), self.to_string());
                vec![PlacedError { pointer, detail }]
            }
            Self::Body(BodyError::NotJson(JsonError { pointer, message })) => {
                vec![PlacedError { pointer, detail: message }]
            }
            _ => Vec::new(),
        }
    }
}

/// Returns the detail for a failed call to Claude.
const fn ai_detail(failure: Failure) -> &'static str {
    match failure {
        Failure::Away => "Claude is unavailable. Try again later.",
        Failure::Rejected => "Claude rejected the request. Nothing was charged.",
        Failure::Declined => "Claude declined to answer. Change the résumé or the job description.",
        Failure::Unusable | Failure::Ours => {
            "Claude's answer is unusable. Asking again is charged again."
        }
    }
}

/// Formats a wait for `Retry-After`: whole seconds, rounded up, at least 1.
fn whole_seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1))
}

fn resume_status(error: &ResumeError) -> StatusCode {
    match error {
        ResumeError::NotFound => StatusCode::NOT_FOUND,
        ResumeError::OtherVersion => StatusCode::PRECONDITION_FAILED,
        ResumeError::Invalid(_) | ResumeError::BadEdit(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ResumeError::TooMany => StatusCode::CONFLICT,
        ResumeError::Store(StoreError::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        ResumeError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        ResumeError::Load(error) => load_status(*error),
        ResumeError::Shared(error) => resume_status(error),
    }
}

/// Returns an AI error's status. A gateway refunds 5xx replies, so only unpaid failures can be 5xx.
fn ai_status(error: &AiError) -> StatusCode {
    match error.failure() {
        Failure::Away => StatusCode::SERVICE_UNAVAILABLE,
        Failure::Rejected => StatusCode::BAD_GATEWAY,
        Failure::Declined => StatusCode::UNPROCESSABLE_ENTITY,
        // Not 422, because the client cannot fix it by changing the request.
        Failure::Unusable => StatusCode::FAILED_DEPENDENCY,
        Failure::Ours => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn load_status(error: Aborted) -> StatusCode {
    match error {
        Aborted::TooSlow | Aborted::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        Aborted::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Builds the reply for a problem.
fn problem_response(status: StatusCode, problem: &Problem) -> Response {
    let body = serde_json::to_string(problem).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

/// Serializes a value as a JSON reply with `no-store`, because replies contain personal data.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    serialized_json(status, serde_json::to_string(value).unwrap_or_default())
}

/// Builds a JSON reply from a serialized body.
pub(crate) fn serialized_json(status: StatusCode, body: impl Into<Body>) -> Response {
    /// The number of headers in a cached reply. Reserving them avoids growing the table.
    const MAX_HEADERS: usize = 10;
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(MAX_HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// Turns an error text into a sentence.
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

/// Answers requests to paths without a route.
pub(crate) async fn not_found() -> ApiError {
    ApiError::NotFound
}

/// Answers requests with a method that the path doesn't support.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyError;
    use crate::token::verifier::TokenError;
    use claude::StopReason;

    /// Formats the status, the relevant headers and the detail.
    fn shown(error: ApiError) -> String {
        let detail = error.detail();
        let response = error.into_response();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let extra = [header::WWW_AUTHENTICATE, header::RETRY_AFTER, header::CONNECTION]
            .map(header)
            .into_iter()
            .flatten()
            .map(|value| format!(" [{value}]"));
        format!("{}{} {detail}\n", response.status().as_u16(), extra.collect::<String>())
    }

    #[test]
    fn every_error_has_a_status_and_a_detail() {
        let json = JsonError { pointer: "/a".into(), message: "expected value".into() };
        let argon2 = HashingError::Argon2("out of memory".into());
        let errors = [
            ApiError::Body(BodyError::OtherType { expected: "application/json" }),
            ApiError::Body(BodyError::TooLarge { max_bytes: 65_536 }),
            ApiError::Body(BodyError::TooSlow),
            ApiError::Body(BodyError::Broken),
            ApiError::Body(BodyError::NotJson(json)),
            ApiError::Body(BodyError::Unexpected(Vec::new())),
            ApiError::Members(Vec::new()),
            ApiError::Account(AccountError::EmailTaken),
            ApiError::Account(AccountError::WrongCredentials),
            ApiError::Account(TokenError::Malformed.into()),
            ApiError::Account(TokenError::Expired.into()),
            ApiError::Account(AccountError::SessionEnded),
            ApiError::Account(AccountError::BadRefreshToken),
            ApiError::Account(AccountError::WrongPassword),
            ApiError::Account(AccountError::NotPaid),
            ApiError::Account(AccountError::TooManyGuesses(Duration::from_millis(9001))),
            ApiError::Account(HashingError::Busy.into()),
            ApiError::Account(argon2.into()),
            ApiError::Account(StoreError::Unavailable.into()),
            ApiError::Account(StoreError::Damaged { what: "user's id" }.into()),
            ApiError::Account(StoreError::Database(sqlx::Error::RowNotFound).into()),
            ApiError::Account(KeyError::BadSeed.into()),
            ApiError::Resume(ResumeError::NotFound),
            ApiError::Resume(ResumeError::OtherVersion),
            ApiError::Resume(ResumeError::Invalid(Vec::new())),
            ApiError::Resume(ResumeError::BadEdit(Vec::new())),
            ApiError::Resume(ResumeError::TooMany),
            ApiError::Resume(StoreError::Unavailable.into()),
            ApiError::Resume(Arc::new(ResumeError::NotFound).into()),
            ApiError::Resume(Aborted::TooSlow.into()),
            ApiError::Load(Aborted::TooMany),
            ApiError::Load(Aborted::Panicked),
            ApiError::NoSuchResume,
            ApiError::Ai(Arc::new(AiError::NotConfigured)),
            ApiError::Ai(Arc::new(AiError::Stopped(StopReason::Refusal))),
            ApiError::Ai(Arc::new(AiError::Stopped(StopReason::MaxTokens))),
            ApiError::Ai(Arc::new(AiError::NoEnd.paid())),
            ApiError::Ai(Arc::new(Aborted::Panicked.into())),
            ApiError::Query { parameter: "limit", expected: "a number" },
            ApiError::NoIfMatch,
            ApiError::NoToken,
            ApiError::NotFound,
            ApiError::MethodNotAllowed,
            ApiError::Busy,
            ApiError::TimedOut(Duration::from_secs(30)),
            ApiError::TimedOut(Duration::from_secs(290)),
            ApiError::Panicked("on purpose".into()),
        ];
        insta::assert_snapshot!(errors.map(shown).concat(), @r#"
        415 Expected a body with Content-Type: application/json.
        413 Expected a body of at most 65536 bytes.
        408 [close] Expected the whole body within 10 s.
        400 The body ended early.
        400 Expected a JSON body.
        422 The body does not match what this route expects.
        422 The body has invalid members.
        409 An account with this e-mail address already exists.
        401 [Bearer realm="tollgate"] The e-mail address or the password is wrong.
        401 [Bearer realm="tollgate", error="invalid_token"] Expected an access token signed with EdDSA that names its key.
        401 [Bearer realm="tollgate", error="invalid_token"] The token has expired: log in again.
        401 [Bearer realm="tollgate", error="invalid_token"] The token's session has ended: log in again.
        401 [Bearer realm="tollgate", error="invalid_token"] The refresh token is invalid or no longer valid: log in again.
        403 The current password is wrong.
        403 Moving to a more expensive plan requires payment: expected the operator's secret in the Payment-Token header.
        429 [10] Too many wrong passwords: try again in 10 s.
        503 [1] The service is temporarily unavailable. Try again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        503 [1] The service is temporarily unavailable. Try again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        404 No route has this path. GET / lists the routes.
        412 The résumé's version does not match If-Match: read it again.
        422 The document has invalid members.
        422 The patch cannot be applied.
        409 Expected at most 100 résumés: delete one first.
        503 [1] The service is temporarily unavailable. Try again.
        404 No route has this path. GET / lists the routes.
        503 [1] The service is temporarily unavailable. Try again.
        503 [1] The service is temporarily unavailable. Try again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        404 No résumé has this id.
        503 Claude is unavailable. Try again later.
        422 Claude declined to answer. Change the résumé or the job description.
        424 Claude's answer is unusable. Asking again is charged again.
        424 Claude's answer is unusable. Asking again is charged again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        400 Query parameter limit: expected a number.
        428 Expected If-Match with the ETag of the version to change.
        401 [Bearer realm="tollgate"] Expected an access token in one header, Authorization: Bearer ….
        404 No route has this path. GET / lists the routes.
        405 This path does not support the method: see the Allow header.
        503 [1] The service is temporarily unavailable. Try again.
        503 [3] The service is temporarily unavailable. Try again.
        503 [29] The service is temporarily unavailable. Try again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        "#);
    }

    #[test]
    fn only_the_log_contains_the_causes() {
        let error = ApiError::Account(StoreError::Damaged { what: "user's id" }.into());
        assert_eq!(Chain(&error).to_string(), "the database holds an unreadable user's id");
        assert!(!error.detail().contains("database"));
    }
}
