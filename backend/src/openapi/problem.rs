//! How [`limits::problem::Problem`] looks to a client.

use limits::problem::CONTENT_TYPE;
use std::borrow::Cow;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Object, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Stands for the problem document, whose crate knows nothing of OpenAPI.
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
            .description(Some("The places in the request that were wrong, if it has any"));
        closed()
            .description(Some(format!("What went wrong: RFC 9457, {CONTENT_TYPE}")))
            .property(
                "type",
                text("The kind of problem; `about:blank` where the status says it all"),
            )
            .required("type")
            .property("title", text("The kind of problem in words"))
            .required("title")
            .property("status", status.minimum(Some(400)).maximum(Some(599)))
            .required("status")
            .property("detail", text("What was wrong this time, and what to do"))
            .required("detail")
            .property("errors", errors)
            .into()
    }
}

fn placed_error() -> Object {
    closed()
        .property("pointer", text("Where: a JSON pointer into the body, empty for the whole of it"))
        .required("pointer")
        .property("detail", text("What was expected, and what was found"))
        .required("detail")
        .build()
}

/// An object without further members.
fn closed() -> ObjectBuilder {
    let none = AdditionalProperties::FreeForm(false);
    ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(none))
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}
