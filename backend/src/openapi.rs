//! The OpenAPI document, assembled from the routes' descriptions.
//!
//! Each handler in [`crate::routes`] describes its own parameters, body, replies and statuses. This
//! module adds the parts that all routes share, once: the replies that [`crate::respond`] makes
//! from errors and from bad bodies and tokens, and the headers that [`crate::trace`] adds.
//! [`crate::router`] accepts only routes with a description.

mod ask;
mod bodies;
mod cached;
mod fields;
mod parameters;
mod problem;

pub(crate) use ask::{AskAboutJobBody, AskBody};
pub(crate) use bodies::{
    CredentialsBody, JsonPatchBody, NewCredentialsBody, NewPasswordBody, PasswordBody, RefreshBody,
    TierBody,
};
pub(crate) use parameters::{IfNoneMatch, PaymentProof, WhichResume};
use problem::ProblemReply;

use limits::problem::CONTENT_TYPE;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, Content, Header, Info, License, Object, OpenApi, Ref, RefOr, Response, Type,
};
use utoipa::{PartialSchema, ToSchema};

/// The security scheme of handlers that take a token: `security(("token" = []))`.
const TOKEN: &str = "token";
/// The heading of a handler's errors. In the document these are responses instead.
const ERRORS: &str = "# Errors";

const DESCRIPTION: &str = "\
The companion API behind Tollgate: accounts, résumés, plans, and AI routes that call Claude.

Sign up, log in, and send the access token as `Authorization: Bearer …`. Every error is a \
problem document (RFC 9457) in `application/problem+json`. Behind the gateway any route can also \
return 429 with `Retry-After`, and replies carry `RateLimit` and `X-RateLimit-*`.";

const TAGS: [(&str, &str); 5] = [
    ("accounts", "Sign-up, login and the caller's account"),
    ("résumés", "JSON Resume documents, private to their owner"),
    ("ai", "Claude's work on a résumé, as JSON or a stream of events"),
    ("plans", "The plans, and today's usage"),
    ("operation", "Health, metrics and documentation"),
];

/// Responses of every route that takes a body.
const BODY_ERRORS: [(&str, &str); 5] = [
    ("400", "The body is not JSON, or incomplete"),
    ("408", "The body took too long"),
    ("413", "The body is too large"),
    ("415", "The body has an unsupported `Content-Type`"),
    ("422", "The body is invalid; `errors` names each place"),
];
/// Responses of every route.
const COMMON_ERRORS: [(&str, &str); 2] = [
    ("500", "An internal error; the log has the cause under the reply's `X-Request-Id`"),
    ("503", "Too many requests at once, or a dependency is down"),
];

/// Completes the document that [`crate::router`] assembled from the routes' descriptions.
#[must_use]
pub(crate) fn document(mut document: OpenApi) -> OpenApi {
    document.info = info();
    document.tags = Some(TAGS.map(|(name, text)| tag(name, text)).into());
    let components = document.components.get_or_insert_default();
    add_components(components);
    document.paths.paths.values_mut().flat_map(operations).for_each(complete);
    document
}

fn info() -> Info {
    let mut info = Info::new("Tollgate backend", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    info.license =
        Some(License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build());
    info
}

fn tag(name: &str, text: &str) -> utoipa::openapi::Tag {
    TagBuilder::new().name(name).description(Some(text)).build()
}

fn add_components(components: &mut Components) {
    components.schemas.insert(ProblemReply::name().into_owned(), ProblemReply::schema());
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("An access token, from `POST /api/auth/login`"))
        .build();
    components.add_security_scheme(TOKEN, SecurityScheme::Http(token));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.options,
        &mut item.head,
        &mut item.patch,
        &mut item.trace,
    ];
    methods.into_iter().filter_map(Option::as_mut)
}

/// Adds the parts that are the same for all routes.
fn complete(operation: &mut Operation) {
    operation.summary =
        operation.summary.take().map(|text| text.replace('\n', " ").replace('`', ""));
    shorten(&mut operation.description);
    if operation.request_body.is_some() {
        add_missing(operation, &BODY_ERRORS);
    }
    if operation.security.is_some() {
        add_missing(
            operation,
            &[("401", "The access token is missing, invalid or no longer valid")],
        );
    }
    add_missing(operation, &COMMON_ERRORS);
    cached::complete(operation);
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            complete_response(status, response);
        }
    }
}

/// Keeps the part of a description before its errors.
fn shorten(description: &mut Option<String>) {
    let shortened = description.take().map(|text| {
        let shortened = text.split(ERRORS).next().unwrap_or_default();
        shortened.trim().replace('\n', " ")
    });
    *description = shortened.filter(|text| !text.is_empty());
}

fn add_missing(operation: &mut Operation, responses: &[(&str, &str)]) {
    for (status, description) in responses {
        let known = &mut operation.responses.responses;
        known.entry((*status).to_owned()).or_insert_with(|| Response::new(*description).into());
    }
}

/// Adds what [`crate::respond`] and [`crate::trace`] add to every reply with this status.
fn complete_response(status: &str, response: &mut Response) {
    let headers = &mut response.headers;
    headers.insert(
        "X-Request-Id".to_owned(),
        text_header("The request's id in the service's log").into(),
    );
    if !status.starts_with(['4', '5']) || !response.content.is_empty() {
        return;
    }
    let problem = Ref::from_schema_name(ProblemReply::name());
    response.content.insert(CONTENT_TYPE.to_owned(), Content::new(Some(problem)).into());
    let header = match status {
        "401" => (
            "WWW-Authenticate",
            text_header("`Bearer`; its `error` is `invalid_token` if the token was rejected"),
        ),
        "429" | "503" => ("Retry-After", seconds_header()),
        _ => return,
    };
    headers.insert(header.0.to_owned(), header.1.into());
}

fn text_header(description: &str) -> Header {
    let schema = Object::with_type(Type::String);
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

fn seconds_header() -> Header {
    let schema = Object::builder().schema_type(Type::Integer).minimum(Some(1)).build();
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some("The number of seconds to wait before retrying"))
        .build()
}
