//! The OpenAPI document, out of the routes' own descriptions.
//!
//! Each handler in [`crate::routes`] says what is its own: parameters, body, what it answers and the
//! statuses that only it has. What all routes share is said here, once, as it is done once: what
//! [`crate::respond`] makes of an error, what a body or a token that is not good is answered, what
//! [`crate::trace`] adds. [`crate::router`] takes no route without a description.

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

/// What a handler that takes a token names: `security(("token" = []))`.
const TOKEN: &str = "token";
/// Where the errors begin in what a handler says of itself: here they are responses.
const ERRORS: &str = "# Errors";

const DESCRIPTION: &str = "\
The companion API behind Tollgate: accounts, résumés, plans, and what Claude does for a résumé.

Sign up, log in, and send the access token as `Authorization: Bearer …`. Every error is a \
problem document (RFC 9457) in `application/problem+json`. Behind the gateway any route may also \
answer 429, with `Retry-After`, and its answers carry `RateLimit` and `X-RateLimit-*`.";

const TAGS: [(&str, &str); 5] = [
    ("accounts", "Signing up, logging in, and who asks"),
    ("résumés", "JSON Resume documents, each its owner's alone"),
    ("ai", "What Claude does for a résumé, plain or as a stream of events"),
    ("plans", "What there is to buy, and what is left of it today"),
    ("operation", "How the service is, and what it offers"),
];

/// Responses of whatever takes a body.
const BODY_ERRORS: [(&str, &str); 5] = [
    ("400", "The body is no JSON, or broke off"),
    ("408", "The body took too long"),
    ("413", "The body is too large"),
    ("415", "The body is declared as another type"),
    ("422", "The body is not what is expected; `errors` names each place"),
];
/// Responses of everything.
const COMMON_ERRORS: [(&str, &str); 2] = [
    ("500", "The service's own fault; its log has the cause under the reply's `X-Request-Id`"),
    ("503", "Too busy, or something that is needed is away"),
];

/// Completes what the routes say of themselves, as [`crate::router`] has put it together.
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

/// Adds what the handler does not say because it is the same for all.
fn complete(operation: &mut Operation) {
    operation.summary =
        operation.summary.take().map(|text| text.replace('\n', " ").replace('`', ""));
    shorten(&mut operation.description);
    if operation.request_body.is_some() {
        add_missing(operation, &BODY_ERRORS);
    }
    if operation.security.is_some() {
        add_missing(operation, &[("401", "No access token, or one that is not good any more")]);
    }
    add_missing(operation, &COMMON_ERRORS);
    cached::complete(operation);
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            complete_response(status, response);
        }
    }
}

/// Keeps what comes before the errors.
fn shorten(description: &mut Option<String>) {
    let kept = description.take().map(|text| {
        let kept = text.split(ERRORS).next().unwrap_or_default();
        kept.trim().replace('\n', " ")
    });
    *description = kept.filter(|text| !text.is_empty());
}

fn add_missing(operation: &mut Operation, responses: &[(&str, &str)]) {
    for (status, description) in responses {
        let known = &mut operation.responses.responses;
        known.entry((*status).to_owned()).or_insert_with(|| Response::new(*description).into());
    }
}

/// Adds what [`crate::respond`] and [`crate::trace`] do to every reply of this status.
fn complete_response(status: &str, response: &mut Response) {
    let headers = &mut response.headers;
    headers.insert(
        "X-Request-Id".to_owned(),
        text_header("Names the request in the service's log").into(),
    );
    if !status.starts_with(['4', '5']) || !response.content.is_empty() {
        return;
    }
    let problem = Ref::from_schema_name(ProblemReply::name());
    response.content.insert(CONTENT_TYPE.to_owned(), Content::new(Some(problem)).into());
    let header = match status {
        "401" => ("WWW-Authenticate", text_header("`Bearer`, and whether the token was the fault")),
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
        .description(Some("In how many seconds to try again"))
        .build()
}
