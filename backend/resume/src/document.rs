//! A résumé: a validated JSON Resume document.
//!
//! [`schema`] defines the members of a document, [`check`] validates one, and [`edit`] patches one.
//! [`outline`] arranges one for readers, and [`markdown`] and [`plain`] render the outline. Pure:
//! no request, no database, no clock.

pub mod check;
pub mod date;
pub mod edit;
pub mod markdown;
pub mod openapi;
pub mod outline;
pub mod plain;
pub mod schema;

use limits::problem::PlacedError;
use serde::Serialize;
use serde_json::Value;

/// A valid JSON Resume document. Additional members are kept where the schema allows them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Resume(Value);

impl Resume {
    /// Validates `document`.
    ///
    /// # Errors
    /// Fails with every error and its JSON pointer, at most [`check::MAX_ERRORS`].
    pub fn new(document: Value) -> Result<Self, Vec<PlacedError>> {
        check::check(&document)?;
        Ok(Self(document))
    }

    /// Wraps a document that was validated before it was stored.
    #[must_use]
    pub fn stored(document: Value) -> Self {
        Self(document)
    }

    /// Returns the document.
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// Returns `basics.name`, or an empty string.
    #[must_use]
    pub fn name(&self) -> &str {
        self.basic("name")
    }

    /// Returns `basics.label`, or an empty string.
    #[must_use]
    pub fn label(&self) -> &str {
        self.basic("label")
    }

    fn basic(&self, name: &str) -> &str {
        self.0.pointer("/basics").and_then(|basics| basics.get(name)?.as_str()).unwrap_or_default()
    }
}
