//! The schema of [`limits::problem::Problem`].

use limits::problem::CONTENT_TYPE;
use std::borrow::Cow;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Object, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The schema's name. The problem's own crate doesn't depend on utoipa.
pub(super) enum ProblemReply {}

impl ToSchema for ProblemReply {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }
}

impl PartialSchema for ProblemReply {
    fn schema() -> RefOr<Schema> {
        let status = ObjectBuilder::new().schema_type(Type::Integer);
        let errors = ArrayBuilder::new()
            .items(placed_error())
            .description(Some("The invalid places in the request, if any"));
        closed()
            .description(Some(format!("A problem document (RFC 9457), {CONTENT_TYPE}")))
            .property("type", text("The problem type's URI; `about:blank` if the status is enough"))
            .required("type")
            .property("title", text("A short name of the problem"))
            .required("title")
            .property("status", status.minimum(Some(400)).maximum(Some(599)))
            .required("status")
            .property("detail", text("The problem in this case, and what to do"))
            .required("detail")
            .property("errors", errors)
            .into()
    }
}

fn placed_error() -> Object {
    closed()
        .property("pointer", text("A JSON Pointer into the body; empty for the whole body"))
        .required("pointer")
        .property("detail", text("The expected and the actual value"))
        .required("detail")
        .build()
}

/// Returns the schema of an object without additional members.
fn closed() -> ObjectBuilder {
    let none = AdditionalProperties::FreeForm(false);
    ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(none))
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}
