//! The OpenAPI schema of a résumé, built from the data that [`super::check`] validates against.

use super::check::{MAX_ITEMS, MAX_MEMBERS, MAX_TEXT_BYTES};
use super::schema::{Members, RESUME, Shape};
use super::{Resume, date};
use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

const DESCRIPTION: &str = "\
A [JSON Resume](https://jsonresume.org/schema), version 1.0.0 or 1.2.1. In addition to this \
schema, dates must exist in the calendar, an end must not be before its start, member names and \
strings must not contain U+0000, and a document has at most 262144 bytes and 16 levels of nesting. \
Additional top-level members are accepted only if `$schema` names a version after 1.0.0. If it \
names 1.0.0, a certificate's date must be a full date.";
/// The pattern of a `$schema` that names a version after 1.0.0, equivalent to
/// [`super::schema::Version`].
const LATER: &str = "[/@]v?1\\.([^0]|0([^.]|$)|$)";
const NO_NUL: &str = "^[^\\u0000]*$";

impl ToSchema for Resume {}

impl PartialSchema for Resume {
    fn schema() -> RefOr<Schema> {
        object(RESUME)
            .description(Some(DESCRIPTION))
            .examples([example()])
            .extensions(Some(no_further_members()))
            .into()
    }
}

/// Returns JSON Schema keywords that the builder does not support.
fn no_further_members() -> Extensions {
    let known: Vec<&str> = RESUME.iter().map(|(name, _)| *name).collect();
    let is_later =
        json!({ "required": ["$schema"], "properties": { "$schema": { "pattern": LATER } } });
    let mut keywords = Extensions::default();
    keywords.insert("if".to_owned(), is_later);
    keywords.insert("else".to_owned(), json!({ "propertyNames": { "enum": known } }));
    keywords
}

/// Builds an object schema that allows additional members.
fn object(members: Members) -> ObjectBuilder {
    let empty = ObjectBuilder::new().schema_type(Type::Object).max_properties(Some(MAX_MEMBERS));
    members.iter().fold(empty, |object, (name, shape)| object.property(*name, schema(shape)))
}

fn schema(shape: &Shape) -> Schema {
    let uri = SchemaFormat::Custom("uri".to_owned());
    let email = SchemaFormat::KnownFormat(KnownFormat::Email);
    match shape {
        Shape::Text => text().pattern(Some(NO_NUL)).into(),
        Shape::Date | Shape::CertificateDate => text().pattern(Some(date::PATTERN)).into(),
        Shape::Url => text().format(Some(uri)).pattern(Some("^[Hh][Tt][Tt][Pp][Ss]?://")).into(),
        Shape::Email => text().format(Some(email)).into(),
        Shape::List(shape) => {
            ArrayBuilder::new().items(RefOr::T(schema(shape))).max_items(Some(MAX_ITEMS)).into()
        }
        Shape::Object(members) => object(members).into(),
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(MAX_TEXT_BYTES))
}

/// Returns a short example résumé.
#[must_use]
pub fn example() -> Value {
    json!({
        "basics": {
            "name": "Ada Lovelace",
            "label": "Analyst",
            "email": "ada@example.org",
            "url": "https://ada.example",
            "summary": "Writes programs for engines that do not exist yet.",
        },
        "work": [{
            "name": "Analytical Engines",
            "position": "Programmer",
            "startDate": "1842-02",
            "endDate": "1843",
            "highlights": ["Bernoulli numbers", "the first loop"],
        }],
        "skills": [{ "name": "Analysis", "keywords": ["series", "tables"] }],
    })
}
