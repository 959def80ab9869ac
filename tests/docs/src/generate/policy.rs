//! The policy's fields, from its JSON Schema.

use super::table::{code, one_line, table};
use serde_json::{Map, Value};

/// The name under which the schema's root is listed.
const ROOT: &str = "The document";

/// Returns a section for the document and for each type that it leads to, in the order of first
/// mention.
pub(super) fn reference(schema: &Value) -> String {
    let schema = Schema(schema);
    let mut sections = vec![schema.section(ROOT, schema.0)];
    let mut names = Vec::new();
    schema.mentioned(schema.0, &mut names);
    for name in &names {
        sections.push(schema.section(name, schema.definition(name)));
    }
    sections.join("\n\n")
}

struct Schema<'a>(&'a Value);

impl<'a> Schema<'a> {
    fn definition(&self, name: &str) -> &'a Value {
        self.0.pointer(&format!("/definitions/{name}")).unwrap_or(&Value::Null)
    }

    /// Follows a reference, and the wrappers `Mapping…`, which say only that a value is a mapping.
    fn target(&self, reference: &str) -> String {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let wrapped = self.definition(name).pointer("/allOf/0/$ref").and_then(Value::as_str);
        match wrapped {
            Some(inner) if name.starts_with("Mapping") => self.target(inner),
            _ => name.to_owned(),
        }
    }

    /// Collects the definitions that `schema` leads to, depth first.
    fn mentioned(&self, schema: &Value, names: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                for (field, value) in fields {
                    match (field.as_str(), value) {
                        ("definitions", _) => {}
                        ("$ref", Value::String(reference)) => {
                            let name = self.target(reference);
                            if !names.contains(&name) {
                                names.push(name.clone());
                                self.mentioned(self.definition(&name), names);
                            }
                        }
                        _ => self.mentioned(value, names),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.mentioned(value, names)),
            _ => {}
        }
    }

    fn section(&self, name: &str, schema: &Value) -> String {
        let title = if name == ROOT { name.to_owned() } else { code(name) };
        let mut parts = vec![format!("### {title}"), description(schema)];
        if let Some(properties) = schema["properties"].as_object().filter(|all| !all.is_empty()) {
            parts.push(self.fields(properties, &schema["required"]));
        } else if let Some(choices) = schema["oneOf"].as_array() {
            let rows: Vec<_> = choices
                .iter()
                .map(|choice| [value_code(&choice["const"]), description(choice)])
                .collect();
            parts.push(table(["Value", "Meaning"], &rows));
        } else if let Some(choices) = schema["anyOf"].as_array() {
            let rows: Vec<_> =
                choices.iter().map(|choice| [self.kind(choice), description(choice)]).collect();
            parts.push(table(["Form", "Meaning"], &rows));
        }
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n")
    }

    fn fields(&self, properties: &Map<String, Value>, required: &Value) -> String {
        let is_required = |field: &str| {
            required.as_array().is_some_and(|all| all.iter().any(|name| name == field))
        };
        let rows: Vec<_> = properties
            .iter()
            .map(|(field, schema)| {
                let default = match &schema["default"] {
                    _ if is_required(field) => "required".to_owned(),
                    Value::Null => String::new(),
                    value => value_code(value),
                };
                [code(field), self.kind(schema), default, description(schema)]
            })
            .collect();
        table(["Field", "Type", "Default", "Meaning"], &rows)
    }

    /// Returns the type of a value in words, with links to the types that have a section.
    fn kind(&self, schema: &Value) -> String {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = self.target(reference);
            return format!("[{name}](#{})", name.to_lowercase());
        }
        let choices = schema["anyOf"].as_array().or(schema["allOf"].as_array());
        if let Some(choices) = choices {
            let kinds = choices.iter().filter(|choice| choice["type"] != "null");
            return kinds.map(|choice| self.kind(choice)).collect::<Vec<_>>().join(" or ");
        }
        let name = match &schema["type"] {
            Value::Array(types) => types.iter().find(|name| *name != "null"),
            name => Some(name),
        };
        match name.and_then(Value::as_str).unwrap_or_default() {
            "integer" => {
                let bound = |name: &str| schema[name].as_u64();
                match (bound("minimum"), bound("maximum")) {
                    (Some(least), Some(most)) if least == most => code(&least.to_string()),
                    (Some(least), Some(most)) if most == 1 << 53 => {
                        format!("integer, {least} to 2^53")
                    }
                    (Some(least), Some(most)) => format!("integer, {least} to {most}"),
                    _ => "integer".to_owned(),
                }
            }
            "array" => format!("list of {}", self.kind(&schema["items"])),
            "object" => {
                format!("mapping of names to {}", self.kind(&schema["additionalProperties"]))
            }
            other => other.to_owned(),
        }
    }
}

fn description(schema: &Value) -> String {
    one_line(schema["description"].as_str().unwrap_or_default())
}

fn value_code(value: &Value) -> String {
    code(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_have_their_type_default_and_meaning() {
        let page = reference(&json!({
            "description": "A thing.",
            "properties": {
                "size": { "type": ["integer", "null"], "minimum": 1, "maximum": 9, "description": "Its\nsize." },
                "parts": { "type": "array", "items": { "$ref": "#/definitions/Mapping2" }, "default": [] },
            },
            "required": ["size"],
            "definitions": {
                "Mapping2": { "allOf": [{ "$ref": "#/definitions/Part" }] },
                "Part": { "oneOf": [{ "const": "nut", "description": "A nut." }] },
            },
        }));
        assert_eq!(
            page,
            "### The document\n\nA thing.\n\n\
             | Field | Type | Default | Meaning |\n|---|---|---|---|\n\
             | `parts` | list of [Part](#part) | `[]` |  |\n\
             | `size` | integer, 1 to 9 | required | Its size. |\n\n\
             ### `Part`\n\n| Value | Meaning |\n|---|---|\n| `nut` | A nut. |"
        );
    }
}
