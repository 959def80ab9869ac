//! The JSON Schema of the policy, for editors. It is generated from the types that a policy is
//! parsed into, so it always matches them. It cannot express checks across fields (names, cycles).

use super::document::Document;
use schemars::generate::SchemaSettings;

/// Returns the schema as a JSON document.
#[must_use]
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<Document>().to_value()
}
