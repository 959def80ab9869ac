//! Members that several bodies share, and their limits.
//!
//! JSON Schema counts characters, the service counts bytes. Where these differ, the schema is the
//! more lenient: it accepts some texts that the service rejects with 422, never the reverse.

use crate::{password, refresh_token};
use resume::email;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{KnownFormat, Object, SchemaFormat, Type};

/// The most bytes per character in UTF-8.
const MAX_CHAR_BYTES: usize = 4;

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

pub(super) fn email() -> Object {
    text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
        .max_length(Some(email::MAX_BYTES))
        .description(Some("ASCII only, not case-sensitive"))
        .examples(["ada@example.org"])
        .build()
}

fn password() -> ObjectBuilder {
    text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .max_length(Some(password::MAX_BYTES))
}

pub(super) fn given_password() -> Object {
    password().description(Some("At most 1024 bytes")).build()
}

pub(super) fn chosen_password() -> Object {
    password()
        .min_length(Some(password::MIN_BYTES / MAX_CHAR_BYTES))
        .description(Some("8 to 1024 bytes"))
        .examples(["correct horse battery staple"])
        .build()
}

pub(super) fn refresh_token() -> Object {
    text()
        .pattern(Some(refresh_token::PATTERN))
        .description(Some("Valid for one use"))
        .examples(["A".repeat(43)])
        .build()
}

/// Returns the schema of a JSON Pointer (RFC 6901).
pub(super) fn pointer() -> Object {
    text()
        .pattern(Some("^(/([^/~]|~[01])*)*$"))
        .description(Some("A JSON Pointer into the document"))
        .examples(["/basics/label"])
        .build()
}
