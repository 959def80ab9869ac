//! The members that bodies share, with the bounds that they are held to.
//!
//! JSON Schema counts a text's characters, the service its bytes. Where the two differ, the schema
//! lets through what the service refuses with 422, and not the other way round.

use crate::{password, refresh_token};
use resume::email;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{KnownFormat, Object, SchemaFormat, Type};

/// How many bytes a character has at most.
const MAX_CHAR_BYTES: usize = 4;

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

pub(super) fn email() -> Object {
    text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
        .max_length(Some(email::MAX_BYTES))
        .description(Some("In ASCII; lower and upper case are the same"))
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
        .description(Some("Good once"))
        .examples(["A".repeat(43)])
        .build()
}

/// A JSON pointer (RFC 6901).
pub(super) fn pointer() -> Object {
    text()
        .pattern(Some("^(/([^/~]|~[01])*)*$"))
        .description(Some("A JSON pointer into the document"))
        .examples(["/basics/label"])
        .build()
}
