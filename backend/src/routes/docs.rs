//! `GET /openapi.json`, and `GET /docs`, the same as a self-contained page.
//!
//! The page is Swagger UI, whose files come with `utoipa-swagger-ui`. The page that loads it is
//! ours, in `docs/`, so its policy can forbid everything but its own files.

use crate::respond::ApiError;
use axum::Extension;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use std::sync::Arc;
use utoipa::ToSchema;

/// Lets the page load its own files, call this service, and show inline images. Forbids the rest.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// Lets browsers cache the files briefly, because they change with the service.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

const PAGE: &str = include_str!("docs/index.html");
const START: &str = include_str!("docs/start.js");
const STYLE: &str = include_str!("docs/style.css");

/// A function that returns the OpenAPI document. [`crate::router`] assembles it from all routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document(pub fn() -> &'static str);

/// A file of the docs page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(as = DocsFile)]
pub(crate) enum File {
    /// Starts Swagger UI.
    #[schema(rename = "start.js")]
    Start,
    /// Our styles.
    #[schema(rename = "style.css")]
    Style,
    /// Swagger UI's script.
    #[schema(rename = "swagger-ui-bundle.js")]
    SwaggerUi,
    /// Swagger UI's styles.
    #[schema(rename = "swagger-ui.css")]
    SwaggerUiStyle,
}

impl File {
    fn named(name: &str) -> Option<Self> {
        match name {
            "start.js" => Some(Self::Start),
            "style.css" => Some(Self::Style),
            "swagger-ui-bundle.js" => Some(Self::SwaggerUi),
            "swagger-ui.css" => Some(Self::SwaggerUiStyle),
            _ => None,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Start | Self::SwaggerUi => "text/javascript; charset=utf-8",
            Self::Style | Self::SwaggerUiStyle => "text/css; charset=utf-8",
        })
    }

    fn content(self) -> Cow<'static, [u8]> {
        match self {
            Self::Start => START.as_bytes().into(),
            Self::Style => STYLE.as_bytes().into(),
            Self::SwaggerUi => swagger_ui("swagger-ui-bundle.js"),
            Self::SwaggerUiStyle => swagger_ui("swagger-ui.css"),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for File {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = Path::<String>::from_request_parts(parts, state).await.ok();
        name.and_then(|Path(name)| Self::named(&name)).ok_or(ApiError::NotFound)
    }
}

/// Returns this API's description in OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "operation",
    responses((status = 200, description = "The document", body = Object, content_type = "application/json"))
)]
pub(crate) async fn openapi_json(Extension(Document(document)): Extension<Document>) -> Response {
    file(HeaderValue::from_static("application/json"), document())
}

/// Shows this API's description as a page.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "docs",
    tag = "operation",
    responses((
        status = 200, description = "The page", body = String, content_type = "text/html",
        headers(("Content-Security-Policy" = String, description = "Forbids loading anything from other sites")),
    ))
)]
pub(crate) async fn page() -> Response {
    let mut response = file(HeaderValue::from_static("text/html; charset=utf-8"), PAGE);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Returns a file of the docs page.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    operation_id = "docs_file",
    tag = "operation",
    params(("file" = inline(File), Path, description = "The file's name")),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/javascript"),
            (String = "text/css"),
        )),
        (status = 404, description = "The page has no file with this name"),
    )
)]
pub(crate) async fn page_file(name: File) -> Response {
    file(name.content_type(), name.content())
}

/// Builds a file's response, with MIME sniffing disabled.
fn file(content_type: HeaderValue, content: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, CACHE_CONTROL),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, content).into_response()
}

/// Returns one of Swagger UI's files. These don't depend on the configuration.
fn swagger_ui(name: &str) -> Cow<'static, [u8]> {
    let found = utoipa_swagger_ui::serve(name, Arc::default());
    found.ok().flatten().map(|file| file.bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_the_page_refers_to_exists() {
        let references: Vec<&str> =
            PAGE.split(['"']).filter_map(|part| part.strip_prefix("/docs/")).collect();
        assert_eq!(references.len(), 4, "{references:?}");
        for name in references {
            let file = File::named(name).expect(name);
            assert!(!file.content().is_empty(), "{name}");
        }
    }
}
