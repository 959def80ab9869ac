//! JSON parsing with errors that carry their location.

mod located;
mod pointer;

use located::Part;
use pointer::escape;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

/// A mistake in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", if pointer.is_empty() { "the document" } else { pointer })]
pub struct JsonError {
    /// The location as a JSON pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    /// The message: what was expected, and what was found.
    pub message: String,
}

/// Parses `body` as a single `T`.
///
/// # Errors
/// Fails with the location of the first mistake.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(locate)?;
    deserializer
        .end()
        .map_err(|error| JsonError { pointer: String::new(), message: error.to_string() })?;
    Ok(value)
}

/// Deserializes an already parsed document into a `T`.
///
/// # Errors
/// Fails with the location of the first mistake.
pub fn from_value<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, JsonError> {
    T::deserialize(Part(value)).map_err(|error| {
        let (pointer, message) = error.into_parts();
        JsonError { pointer, message }
    })
}

fn locate(error: serde_path_to_error::Error<serde_json::Error>) -> JsonError {
    JsonError { pointer: pointer(error.path()), message: error.inner().to_string() }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", escape(key)),
            Segment::Enum { variant } => format!("/{}", escape(variant)),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}
