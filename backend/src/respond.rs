//! Everything that is answered instead of what was asked for, as `application/problem+json`.
//!
//! The only place that maps an error to a status. What is the service's own fault is logged here,
//! once, with its cause; the client is told only that it happened.

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

/// What a request without a token is asked for (RFC 6750 §3).
const CHALLENGE: &str = "Bearer realm=\"tollgate\"";
/// The same, where the token was no good.
const CHALLENGE_INVALID: &str = "Bearer realm=\"tollgate\", error=\"invalid_token\"";
/// When to come back to a service that is too busy.
const RETRY_AFTER_S: &str = "1";

/// Not among the names that the library knows.
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

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
    /// The résumé says no, or cannot say.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// There is no such résumé to ask about, or it is somebody else's.
    #[error("expected the id of one of your résumés")]
    NoSuchResume,
    /// Claude gave no answer.
    #[error(transparent)]
    Ai(Arc<AiError>),
    /// What was to be cached could not be loaded.
    #[error(transparent)]
    Load(#[from] Aborted),
    /// A parameter of the query is wrong.
    #[error("the query's {parameter}: expected {expected}")]
    Query {
        /// Which one.
        parameter: &'static str,
        /// What it can be.
        expected: &'static str,
    },
    /// A change does not say which version it is of.
    #[error("expected If-Match with the ETag of the version that is to be changed")]
    NoIfMatch,
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
    /// What the client is told. What is no fault of theirs is logged here.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        let status = self.status();
        match status {
            StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(error = %Chain(&self), "failed"),
            StatusCode::SERVICE_UNAVAILABLE => {
                tracing::warn!(error = %Chain(&self), "refused");
            }
            _ if matches!(self, Self::Ai(_)) => {
                tracing::warn!(error = %Chain(&self), "refused");
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
            Self::Ai(error) => of_ai(error),
            Self::Resume(error) => of_resume(error),
            Self::Load(error) => of_load(*error),
            Self::Query { .. } => StatusCode::BAD_REQUEST,
            Self::NoIfMatch => StatusCode::PRECONDITION_REQUIRED,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy | Self::TimedOut(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What is said about it: what the client can mend, or when to come back; of our own faults
    /// only that there was one.
    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Ai(error) if error.failure() != Failure::Ours => {
                return unanswered(error.failure()).into();
            }
            Self::NoSuchResume => return "There is no such résumé.".into(),
            _ => {}
        }
        match self.status() {
            StatusCode::INTERNAL_SERVER_ERROR => {
                "This is our fault. Quote the reply's x-request-id when you report it.".into()
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                "The service is too busy just now. Try again.".into()
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
            // Only where it is known: a made-up time would be believed.
            Self::Ai(error) => {
                return error.retry_after().map(|wait| (header::RETRY_AFTER, whole_seconds(wait)));
            }
            Self::Account(AccountError::TooManyGuesses(wait)) => {
                return Some((header::RETRY_AFTER, whole_seconds(*wait)));
            }
            // Whoever has waited long asks for much: a tenth of it once more is no long wait.
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

    /// Which types of change are taken, where another was sent (RFC 5789 §2.2).
    fn accepted(&self) -> Option<(HeaderName, HeaderValue)> {
        let Self::Body(BodyError::OtherType { expected: PATCHES }) = self else { return None };
        let types = "application/merge-patch+json, application/json-patch+json";
        Some((ACCEPT_PATCH, HeaderValue::from_static(types)))
    }

    /// The places in the body that were wrong.
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

/// What is said where Claude gave no answer.
const fn unanswered(failure: Failure) -> &'static str {
    match failure {
        Failure::Away => "Claude cannot be asked just now. Try again later.",
        Failure::Rejected => "Claude does not accept this request. Nothing was charged.",
        Failure::Declined => {
            "Claude declines to answer this. Change the résumé or the job description."
        }
        Failure::Unusable | Failure::Ours => {
            "Claude has given no answer that can be used. Asking again is charged again."
        }
    }
}

/// A wait as `Retry-After` has it: whole seconds, rather one too many.
fn whole_seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1))
}

fn of_resume(error: &ResumeError) -> StatusCode {
    match error {
        ResumeError::NotFound => StatusCode::NOT_FOUND,
        ResumeError::OtherVersion => StatusCode::PRECONDITION_FAILED,
        ResumeError::Invalid(_) | ResumeError::BadEdit(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ResumeError::TooMany => StatusCode::CONFLICT,
        ResumeError::Store(StoreError::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        ResumeError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        ResumeError::Load(error) => of_load(*error),
        ResumeError::Shared(error) => of_resume(error),
    }
}

/// A gateway gives back what a 5xx was charged, so only what was not paid for may be one.
fn of_ai(error: &AiError) -> StatusCode {
    match error.failure() {
        Failure::Away => StatusCode::SERVICE_UNAVAILABLE,
        Failure::Rejected => StatusCode::BAD_GATEWAY,
        Failure::Declined => StatusCode::UNPROCESSABLE_ENTITY,
        // Not 422: there is nothing in the request that its sender could change.
        Failure::Unusable => StatusCode::FAILED_DEPENDENCY,
        Failure::Ours => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn of_load(error: Aborted) -> StatusCode {
    match error {
        Aborted::TooSlow | Aborted::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        Aborted::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A problem as a reply.
fn problem_response(status: StatusCode, problem: &Problem) -> Response {
    let body = serde_json::to_string(problem).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

/// A value as a JSON reply that nobody may keep: what this service answers is about someone.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    written_json(status, serde_json::to_string(value).unwrap_or_default())
}

/// The same for what is in JSON already.
pub(crate) fn written_json(status: StatusCode, body: impl Into<Body>) -> Response {
    /// As many as a reply of the cache has: a table that grows is written twice.
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
pub(crate) async fn not_found() -> ApiError {
    ApiError::NotFound
}

/// Answers for methods that a path does not have.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyError;
    use crate::token::verifier::TokenError;
    use claude::StopReason;

    /// Status, the headers that go with it, and what is said.
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
    fn every_error_has_its_status_and_its_words() {
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
        400 The body broke off before its end.
        400 Expected a JSON body.
        422 The body does not match what this route expects.
        422 Members of the body are wrong.
        409 An account with this e-mail address exists.
        401 [Bearer realm="tollgate"] The e-mail address or the password is wrong.
        401 [Bearer realm="tollgate", error="invalid_token"] Expected an access token signed with EdDSA that names its key.
        401 [Bearer realm="tollgate", error="invalid_token"] The token has expired: log in again.
        401 [Bearer realm="tollgate", error="invalid_token"] The token's session has ended: log in again.
        401 [Bearer realm="tollgate", error="invalid_token"] The refresh token is invalid or no longer valid: log in again.
        403 The current password is wrong.
        403 Moving to a more expensive plan requires payment: expected the operator's secret in the Payment-Token header.
        429 [10] Too many wrong passwords: try again in 10 s.
        503 [1] The service is too busy just now. Try again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        503 [1] The service is too busy just now. Try again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        404 There is nothing at this path. GET / names what there is.
        412 The résumé is at another version than If-Match names: read it again.
        422 Members of the document are wrong.
        422 The change cannot be made.
        409 Expected at most 100 résumés: delete one first.
        503 [1] The service is too busy just now. Try again.
        404 There is nothing at this path. GET / names what there is.
        503 [1] The service is too busy just now. Try again.
        503 [1] The service is too busy just now. Try again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        404 There is no such résumé.
        503 Claude cannot be asked just now. Try again later.
        422 Claude declines to answer this. Change the résumé or the job description.
        424 Claude has given no answer that can be used. Asking again is charged again.
        424 Claude has given no answer that can be used. Asking again is charged again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        400 The query's limit: expected a number.
        428 Expected If-Match with the ETag of the version that is to be changed.
        401 [Bearer realm="tollgate"] Expected an access token in one header, Authorization: Bearer ….
        404 There is nothing at this path. GET / names what there is.
        405 There is something at this path, with another method: see the Allow header.
        503 [1] The service is too busy just now. Try again.
        503 [3] The service is too busy just now. Try again.
        503 [29] The service is too busy just now. Try again.
        500 This is our fault. Quote the reply's x-request-id when you report it.
        "#);
    }

    #[test]
    fn the_log_tells_the_causes_and_the_client_does_not_learn_them() {
        let error = ApiError::Account(StoreError::Damaged { what: "user's id" }.into());
        assert_eq!(Chain(&error).to_string(), "the database holds an unreadable user's id");
        assert!(!error.detail().contains("database"));
    }
}
