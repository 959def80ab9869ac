//! The bodies of the AI routes ([`crate::ai::ParsedAsk`]), for the OpenAPI document only.

use crate::ai::input::MAX_JOB_BYTES;
use crate::ai::language;
use resume::Resume;
use resume::document::openapi;
use serde_json::{Value, json};
use std::borrow::Cow;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};
use utoipa::openapi::{KnownFormat, Ref, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// The body of routes with an optional job description.
pub(crate) enum AskBody {}

/// The body of routes with a required job description.
pub(crate) enum AskAboutJobBody {}

impl ToSchema for AskBody {
    fn name() -> Cow<'static, str> {
        "Ask".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((<Resume as ToSchema>::name().into_owned(), Resume::schema()));
    }
}

impl PartialSchema for AskBody {
    fn schema() -> RefOr<Schema> {
        body().into()
    }
}

impl ToSchema for AskAboutJobBody {
    fn name() -> Cow<'static, str> {
        "AskAboutJob".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        AskBody::schemas(schemas);
    }
}

impl PartialSchema for AskAboutJobBody {
    fn schema() -> RefOr<Schema> {
        body().required("job_description").into()
    }
}

fn body() -> ObjectBuilder {
    let id = SchemaFormat::KnownFormat(KnownFormat::Uuid);
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("Either `resume_id` or `resume`, and the job"))
        .property("resume_id", text("The id of a stored résumé").format(Some(id)))
        .property("resume", Ref::from_schema_name(<Resume as ToSchema>::name()))
        .property("job_description", job_description())
        .property("language", language())
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .extensions(Some(one_resume()))
        .examples([example()])
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// Returns the schema of a job description. Its limit is in bytes: see [`super::fields`].
fn job_description() -> ObjectBuilder {
    text("At most 32768 bytes, not blank, without U+0000")
        .min_length(Some(1))
        .max_length(Some(MAX_JOB_BYTES))
}

fn language() -> ObjectBuilder {
    text("The language of the answer (BCP 47), `en` by default").pattern(Some(language::PATTERN))
}

/// Adds `oneOf`, which the builder doesn't support on objects.
fn one_resume() -> Extensions {
    let mut words = Extensions::default();
    let either = json!([{ "required": ["resume_id"] }, { "required": ["resume"] }]);
    words.insert("oneOf".to_owned(), either);
    words
}

fn example() -> Value {
    json!({
        "resume": openapi::example(),
        "job_description": "An analyst for engines: series, tables and Rust.",
        "language": "en",
    })
}
