//! `GET /api/resumes/{id}/export`: downloads a résumé as a file.

use super::resumes::{CACHE_CONTROL, ResumeId, not_modified};
use crate::accounts::Caller;
use crate::app::App;
use crate::cache::{Cached, Use};
use crate::etag::{self, Known};
use crate::openapi::{IfNoneMatch, WhichResume};
use crate::respond::ApiError;
use crate::resumes::{ResumeError, SerializedResume};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use resume::Resume;
use resume::document::markdown::markdown;
use resume::document::plain::plain;
use std::sync::Arc;
use url::form_urlencoded;
use utoipa::ToSchema;

/// An export format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Format {
    /// JSON Resume, as it was submitted.
    Json,
    /// Markdown.
    Markdown,
    /// Plain text.
    Text,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    /// Returns a fixed file name. One taken from the résumé would need sanitizing.
    fn disposition(self) -> &'static str {
        match self {
            Self::Json => "attachment; filename=\"resume.json\"",
            Self::Markdown => "attachment; filename=\"resume.md\"",
            Self::Text => "attachment; filename=\"resume.txt\"",
        }
    }

    fn write(self, resume: &Resume) -> String {
        match self {
            Self::Json => format!("{:#}\n", resume.as_value()),
            Self::Markdown => markdown(resume),
            Self::Text => plain(resume),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let format = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "format");
        match format.as_ref().map(|(_, format)| format.as_ref()) {
            None | Some("json") => Ok(Self::Json),
            Some("markdown") => Ok(Self::Markdown),
            Some("text") => Ok(Self::Text),
            Some(_) => {
                Err(ApiError::Query { parameter: "format", expected: "json, markdown or text" })
            }
        }
    }
}

/// Downloads the résumé as a file: 200, or 304 if the client's copy is current.
///
/// # Errors
/// 404 if the résumé doesn't exist or belongs to another user, 400 for an unknown format.
#[utoipa::path(
    get,
    path = "/api/resumes/{id}/export",
    operation_id = "export_resume",
    tag = "résumés",
    security(("token" = [])),
    params(
        WhichResume,
        ("format" = inline(Option<Format>), Query, description = "The file's format, `json` by default"),
        Use,
        IfNoneMatch,
    ),
    responses(
        (
            status = 200, description = "The file",
            content((Resume = "application/json"), (String = "text/markdown"), (String = "text/plain")),
            headers(
                ("Content-Disposition" = String, description = "The file's name"),
                ("ETag" = String, description = "The résumé's version"),
                ("Cache-Control" = String, description = "`private, no-cache`"),
            ),
        ),
        (
            status = 304, description = "The client's copy is current",
            headers(("ETag" = String, description = "The résumé's version")),
        ),
        (status = 400, description = "The format is unknown"),
        (status = 404, description = "No résumé has this id, or it belongs to another user"),
    )
)]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    ResumeId(id): ResumeId,
    format: Format,
    use_: Use,
    known: Known,
) -> Result<Response, ApiError> {
    let Cached { value: stored, origin } = app.resumes.read_cached(&caller, id, use_).await?;
    let mut response = if known.has(stored.version) {
        not_modified(stored.version)
    } else {
        file(format, &stored)?
    };
    origin.mark(app.resumes.ttl(), &mut response);
    Ok(response)
}

fn file(format: Format, stored: &SerializedResume) -> Result<Response, ApiError> {
    let document = stored.document().map_err(ResumeError::Store)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(format.disposition())),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, CACHE_CONTROL),
        (header::ETAG, etag::tag(stored.version)),
    ];
    Ok((headers, format.write(&document)).into_response())
}
