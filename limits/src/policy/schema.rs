//! The JSON Schema of the policy, for people's editors: made from the very types that a policy is
//! read into, so it says what is read. What depends on several places (names, cycles) it cannot say.

use super::document::Document;
use schemars::generate::SchemaSettings;

/// The schema, as a JSON document.
#[must_use]
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<Document>().to_value()
}
