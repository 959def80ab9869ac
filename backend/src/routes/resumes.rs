//! `/api/resumes` and `/api/resumes/{id}`.

use crate::accounts::Caller;
use crate::app::App;
use crate::body::{Change, Document};
use crate::cache::{Cached, Use};
use crate::clock;
use crate::etag::{self, Expected, Known};
use crate::openapi::{IfNoneMatch, JsonPatchBody, WhichResume};
use crate::page::{Page, cursor};
use crate::respond::{self, ApiError};
use crate::resumes::ResumeError;
use crate::stored_resume::{StoredResume, Summary};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use resume::Resume;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Lets browsers keep a résumé, but revalidate it before each use.
pub(super) const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");

#[derive(Serialize, ToSchema)]
#[schema(as = ResumePage)]
struct ListReply<'a> {
    #[schema(max_items = 100)]
    items: &'a [Summary],
    /// The next page's cursor, or null on the last page.
    #[schema(required)]
    next: Option<String>,
}

/// A résumé id from the path. A malformed id is a 404, like an unknown one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResumeId(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for ResumeId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(ApiError::NotFound);
        };
        // Accept one spelling only: two URLs for one résumé would be cached and limited separately.
        let mut buffer = Uuid::encode_buffer();
        let id = Uuid::parse_str(&text).ok();
        let id = id.filter(|id| id.hyphenated().encode_lower(&mut buffer) == text.as_str());
        id.map(Self).ok_or(ApiError::NotFound)
    }
}

/// Lists the caller's résumés, newest first, one page at a time.
///
/// # Errors
/// 400 for an invalid `limit` or `cursor`.
#[utoipa::path(
    get,
    path = "/api/resumes",
    operation_id = "list_resumes",
    tag = "résumés",
    security(("token" = [])),
    params(
        ("limit" = Option<u8>, Query, description = "The page size, 20 by default", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next` of the previous page", pattern = "^[A-Za-z0-9_-]{21}[AQgw]$"),
    ),
    responses(
        (status = 200, description = "A page", body = ListReply<'_>),
        (status = 400, description = "`limit` or `cursor` is invalid"),
    )
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    page: Page,
) -> Result<Response, ApiError> {
    let (items, has_more) = app.resumes.list(caller.user.id, page.before, page.limit).await?;
    let next = items.last().filter(|_| has_more).map(|last| cursor(last.id));
    Ok(respond::json(StatusCode::OK, &ListReply { items: &items, next }))
}

/// Stores a new résumé, which is the whole body: 201 with its id and location.
///
/// # Errors
/// 422 if the body is not a JSON Resume, 409 if the caller has reached the limit.
#[utoipa::path(
    post,
    path = "/api/resumes",
    operation_id = "create_resume",
    tag = "résumés",
    security(("token" = [])),
    request_body = Resume,
    responses(
        (
            status = 201, description = "The résumé is stored", body = StoredResume,
            headers(
                ("ETag" = String, description = "The version, for `If-Match`"),
                ("Location" = String, description = "The résumé's URL"),
                ("Cache-Control" = String, description = "`private, no-cache`"),
            ),
            links(
                ("read" = (operation_id = "read_resume", parameters(("id" = "$response.body#/id")))),
                ("edit" = (operation_id = "edit_resume", parameters(
                    ("id" = "$response.body#/id"), ("If-Match" = "$response.header.ETag"),
                ))),
                ("replace" = (operation_id = "replace_resume", parameters(
                    ("id" = "$response.body#/id"), ("If-Match" = "$response.header.ETag"),
                ))),
                ("export" = (operation_id = "export_resume", parameters(("id" = "$response.body#/id")))),
                ("delete" = (operation_id = "delete_resume", parameters(("id" = "$response.body#/id")))),
            ),
        ),
        (status = 409, description = "The caller has reached the limit on résumés"),
    )
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Document(document): Document,
) -> Result<Response, ApiError> {
    let resume = Resume::new(document).map_err(ResumeError::Invalid)?;
    let stored = app.resumes.create(caller.user.id, resume, clock::now()).await?;
    let mut response = stored_reply(StatusCode::CREATED, &stored);
    let location = HeaderValue::try_from(format!("/api/resumes/{}", stored.id));
    response.headers_mut().extend(location.ok().map(|location| (header::LOCATION, location)));
    Ok(response)
}

/// Returns the résumé: 200, or 304 if the client's copy is current.
///
/// # Errors
/// 404 if it doesn't exist or belongs to another user.
#[utoipa::path(
    get,
    path = "/api/resumes/{id}",
    operation_id = "read_resume",
    tag = "résumés",
    security(("token" = [])),
    params(
        WhichResume,
        Use,
        IfNoneMatch,
    ),
    responses(
        (
            status = 200, description = "The résumé", body = StoredResume,
            headers(
                ("ETag" = String, description = "The version, for `If-Match`"),
                ("Cache-Control" = String, description = "`private, no-cache`"),
            ),
        ),
        (
            status = 304, description = "The client's copy is current",
            headers(("ETag" = String, description = "The version")),
        ),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
    )
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    ResumeId(id): ResumeId,
    use_: Use,
    known: Known,
) -> Result<Response, ApiError> {
    let Cached { value: stored, origin } = app.resumes.read_cached(&caller, id, use_).await?;
    let mut response = if known.has(stored.version) {
        not_modified(stored.version)
    } else {
        versioned(respond::serialized_json(StatusCode::OK, stored.json()), stored.version)
    };
    origin.mark(app.resumes.ttl(), &mut response);
    Ok(response)
}

/// Replaces the résumé with the body, if its version matches `If-Match`.
///
/// # Errors
/// 428 without `If-Match`, 412 for another version, 404 for an unknown résumé, 422 for an invalid
/// body.
#[utoipa::path(
    put,
    path = "/api/resumes/{id}",
    operation_id = "replace_resume",
    tag = "résumés",
    security(("token" = [])),
    params(
        WhichResume,
        ("If-Match" = String, Header, description = "The `ETag` of the version to replace", example = json!("\"1\"")),
    ),
    request_body = Resume,
    responses(
        (
            status = 200, description = "The new version", body = StoredResume,
            headers(
                ("ETag" = String, description = "The version"),
                ("Cache-Control" = String, description = "`private, no-cache`"),
            ),
        ),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
        (status = 412, description = "The résumé's version differs from `If-Match`"),
        (status = 428, description = "`If-Match` is missing"),
    )
)]
pub(crate) async fn replace(
    State(app): State<Arc<App>>,
    caller: Caller,
    ResumeId(id): ResumeId,
    headers: HeaderMap,
    Document(document): Document,
) -> Result<Response, ApiError> {
    let expected = Expected::of(&headers).ok_or(ApiError::NoIfMatch)?;
    let resume = Resume::new(document).map_err(ResumeError::Invalid)?;
    let stored = app.resumes.replace(&caller, id, &expected, resume, clock::now()).await?;
    Ok(stored_reply(StatusCode::OK, &stored))
}

/// Changes the résumé by a JSON Patch or a JSON Merge Patch, if its version matches `If-Match`.
///
/// # Errors
/// As [`replace`], and 415 for another type of patch.
#[utoipa::path(
    patch,
    path = "/api/resumes/{id}",
    operation_id = "edit_resume",
    tag = "résumés",
    security(("token" = [])),
    params(
        WhichResume,
        ("If-Match" = String, Header, description = "The `ETag` of the version to change", example = json!("\"1\"")),
    ),
    request_body(content(
        (Object = "application/merge-patch+json", example = json!({ "basics": { "label": "Engineer" } })),
        (JsonPatchBody = "application/json-patch+json", example = json!([
            { "op": "replace", "path": "/basics/label", "value": "Engineer" },
        ])),
    )),
    responses(
        (
            status = 200, description = "The new version", body = StoredResume,
            headers(
                ("ETag" = String, description = "The version"),
                ("Cache-Control" = String, description = "`private, no-cache`"),
            ),
        ),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
        (status = 412, description = "The résumé's version differs from `If-Match`"),
        (
            status = 415, description = "The body's type is neither kind of patch",
            headers(("Accept-Patch" = String, description = "The accepted types")),
        ),
        (status = 428, description = "`If-Match` is missing"),
    )
)]
pub(crate) async fn edit(
    State(app): State<Arc<App>>,
    caller: Caller,
    ResumeId(id): ResumeId,
    headers: HeaderMap,
    Change(edit): Change,
) -> Result<Response, ApiError> {
    let expected = Expected::of(&headers).ok_or(ApiError::NoIfMatch)?;
    let stored = app.resumes.edit(&caller, id, &expected, edit, clock::now()).await?;
    Ok(stored_reply(StatusCode::OK, &stored))
}

/// Deletes the résumé: 204. Deletes any version unless `If-Match` names one.
///
/// # Errors
/// 404 for an unknown résumé, 412 if the version doesn't match.
#[utoipa::path(
    delete,
    path = "/api/resumes/{id}",
    operation_id = "delete_resume",
    tag = "résumés",
    security(("token" = [])),
    params(
        WhichResume,
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to delete", example = json!("\"1\"")),
    ),
    responses(
        (status = 204, description = "The résumé is deleted"),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
        (status = 412, description = "The résumé's version differs from `If-Match`"),
    )
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    ResumeId(id): ResumeId,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let expected = Expected::of(&headers).unwrap_or(Expected::Any);
    app.resumes.delete(&caller, id, &expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn stored_reply(status: StatusCode, stored: &StoredResume) -> Response {
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
