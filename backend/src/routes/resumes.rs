//! `/api/resumes` and `/api/resumes/{id}`.

use crate::accounts::Caller;
use crate::app::App;
use crate::body::Document;
use crate::cache::{Cached, Use};
use crate::clock;
use crate::etag::{self, Expected};
use crate::page::{Page, cursor};
use crate::respond::{self, ApiError};
use crate::resume::Resume;
use crate::resume::edit::Edit;
use crate::resumes::{ResumeError, StoredResume, Summary};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

/// What a browser may do with a résumé: keep it, and ask each time whether it is still the same.
pub(super) const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");

#[derive(Serialize)]
struct ListReply<'a> {
    items: &'a [Summary],
    /// The next page's cursor, if there is a next page.
    next: Option<String>,
}

/// A résumé's id, as the path has it. What is no id leads nowhere, as an unknown one does.
#[derive(Debug, Clone, Copy)]
pub struct ResumeId(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for ResumeId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(ApiError::NotFound);
        };
        // One spelling only: what has two URLs is cached and limited as two things.
        let id = Uuid::parse_str(&text).ok().filter(|id| id.to_string() == text);
        id.map(Self).ok_or(ApiError::NotFound)
    }
}

/// The caller's résumés, newest first, a page of them.
///
/// # Errors
/// 400 for a bad `limit` or `cursor`.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    page: Page,
) -> Result<Response, ApiError> {
    let (items, has_more) = app.resumes.list(caller.user.id, page.before, page.limit).await?;
    let next = items.last().filter(|_| has_more).map(|last| cursor(last.id));
    Ok(respond::json(StatusCode::OK, &ListReply { items: &items, next }))
}

/// Keeps a new résumé, which is the body as it is: 201 with its id and where it is.
///
/// # Errors
/// 422 for what is no JSON Resume, 409 for one too many.
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Document(document): Document,
) -> Result<Response, ApiError> {
    let resume = Resume::new(document).map_err(ResumeError::Invalid)?;
    let stored = app.resumes.create(caller.user.id, resume, clock::now()).await?;
    let mut response = shown(StatusCode::CREATED, &stored);
    let location = HeaderValue::try_from(format!("/api/resumes/{}", stored.id));
    response.headers_mut().extend(location.ok().map(|location| (header::LOCATION, location)));
    Ok(response)
}

/// The résumé: 200, or 304 if the client has it.
///
/// # Errors
/// 404 for one that is not there, or not the caller's.
pub async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    ResumeId(id): ResumeId,
    use_: Use,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Cached { value: stored, origin } = app.resumes.read_cached(&caller, id, use_).await?;
    let mut response = if etag::is_known(&headers, stored.version) {
        not_modified(stored.version)
    } else {
        versioned(respond::json(StatusCode::OK, &stored), stored.version)
    };
    origin.mark(&app.resumes.entry(&caller, id), &mut response);
    Ok(response)
}

/// Puts the body in the résumé's place, if it is at the version that `If-Match` names.
///
/// # Errors
/// 428 without `If-Match`, 412 for another version, 404, 422.
pub async fn replace(
    State(app): State<Arc<App>>,
    caller: Caller,
    ResumeId(id): ResumeId,
    headers: HeaderMap,
    Document(document): Document,
) -> Result<Response, ApiError> {
    let expected = Expected::of(&headers).ok_or(ApiError::NoIfMatch)?;
    let resume = Resume::new(document).map_err(ResumeError::Invalid)?;
    let stored = app.resumes.replace(&caller, id, &expected, resume, clock::now()).await?;
    Ok(shown(StatusCode::OK, &stored))
}

/// Changes the résumé by a JSON Patch or a JSON Merge Patch, if it is at the version that
/// `If-Match` names.
///
/// # Errors
/// As [`replace`], and 415 for another kind of change.
pub async fn edit(
    State(app): State<Arc<App>>,
    caller: Caller,
    ResumeId(id): ResumeId,
    headers: HeaderMap,
    edit: Edit,
) -> Result<Response, ApiError> {
    let expected = Expected::of(&headers).ok_or(ApiError::NoIfMatch)?;
    let stored = app.resumes.edit(&caller, id, &expected, edit, clock::now()).await?;
    Ok(shown(StatusCode::OK, &stored))
}

/// Deletes the résumé, at whatever version unless `If-Match` names one: 204.
///
/// # Errors
/// 404, 412.
pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    ResumeId(id): ResumeId,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let expected = Expected::of(&headers).unwrap_or(Expected::Any);
    app.resumes.delete(&caller, id, &expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(status: StatusCode, stored: &StoredResume) -> Response {
    versioned(respond::json(status, stored), stored.version)
}

fn versioned(mut response: Response, version: i64) -> Response {
    response.headers_mut().insert(header::ETAG, etag::tag(version));
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
    response
}

pub(super) fn not_modified(version: i64) -> Response {
    let headers = [(header::ETAG, etag::tag(version)), (header::CACHE_CONTROL, CACHE_CONTROL)];
    (StatusCode::NOT_MODIFIED, headers).into_response()
}
