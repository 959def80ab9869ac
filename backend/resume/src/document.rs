//! A résumé: a JSON Resume document that has been checked.
//!
//! [`schema`] says what a
//! document may hold, [`check`] holds one to it, [`edit`] changes one, [`outline`] reads one for
//! people, which [`markdown`] and [`plain`] write down. Pure: no request, no database, no clock.

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

/// A document that is a valid JSON Resume, in its own words: what it holds beyond the schema, where
/// the schema lets it, is still there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Resume(Value);

impl Resume {
    /// Takes `document` if it is one.
    ///
    /// # Errors
    /// Every mistake with its place, at most [`check::MAX_ERRORS`].
    pub fn new(document: Value) -> Result<Self, Vec<PlacedError>> {
        check::check(&document)?;
        Ok(Self(document))
    }

    /// One that was checked before it was stored.
    #[must_use]
    pub fn stored(document: Value) -> Self {
        Self(document)
    }

    /// The document.
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// Whose résumé it says it is; empty if it does not say.
    #[must_use]
    pub fn name(&self) -> &str {
        self.basic("name")
    }

    /// What it calls them; empty if it does not.
    #[must_use]
    pub fn label(&self) -> &str {
        self.basic("label")
    }

    fn basic(&self, name: &str) -> &str {
        self.0.pointer("/basics").and_then(|basics| basics.get(name)?.as_str()).unwrap_or_default()
    }
}
