//! Parses and validates a [`Schema`], with references resolved.

use super::types::{Format, Property, Schema};
use serde_json::{Map, Value};

/// The most nested schemas, with each reference counted as its target.
const MAX_NODES: usize = 5_000;
/// The deepest nesting.
const MAX_DEPTH: usize = 32;
/// Keywords that do not affect validation. `nullable` comes from OpenAPI; JSON Schema ignores it.
const ANNOTATIONS: [&str; 10] = [
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "nullable",
];

/// Parses a schema.
///
/// # Errors
/// Fails with the first error, preceded by its place unless that is the root.
pub(crate) fn parse(root: &Value) -> Result<Schema, String> {
    let mut parser = Parser { root, nodes_left: MAX_NODES, references: Vec::new() };
    parser.schema(root, 0)
}

struct Parser<'a> {
    root: &'a Value,
    nodes_left: usize,
    /// The references being resolved.
    references: Vec<&'a str>,
}

impl<'a> Parser<'a> {
    fn schema(&mut self, value: &'a Value, depth: usize) -> Result<Schema, String> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or("Schema is too complex")?;
        if depth > MAX_DEPTH {
            return Err("Schema is too complex: it is nested too deeply".to_owned());
        }
        let members = value.as_object().ok_or("a schema must be an object")?;
        if let Some(reference) = members.get("$ref") {
            only(members, "$ref", &[])?;
            return self.referred(reference, depth);
        }
        if let Some(branches) = members.get("anyOf") {
            only(members, "anyOf", &[])?;
            return self.any_of(branches, depth);
        }
        if let Some(value) = members.get("const") {
            return one_of(members, "const", std::slice::from_ref(value));
        }
        if let Some(values) = members.get("enum") {
            let values = values.as_array().ok_or("'enum' must be a list")?;
            return one_of(members, "enum", values);
        }
        let names =
            types(members)?.ok_or("a schema needs 'type', 'enum', 'const', 'anyOf' or '$ref'")?;
        unsupported(&names, members)?;
        let kinds: Result<Vec<_>, _> =
            names.iter().map(|name| self.typed(name, members, depth)).collect();
        let mut kinds = kinds?;
        match (kinds.pop(), kinds.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                kinds.extend(last);
                Ok(Schema::AnyOf(kinds))
            }
        }
    }

    fn referred(&mut self, reference: &'a Value, depth: usize) -> Result<Schema, String> {
        let reference = reference.as_str().ok_or("'$ref' must be a string")?;
        let pointer = reference.strip_prefix('#');
        let target = pointer.and_then(|pointer| self.root.pointer(pointer));
        let target = target.ok_or_else(|| {
            format!(
                "'$ref' must name a schema within this one, such as #/$defs/name, found {reference}"
            )
        })?;
        if self.references.contains(&reference) {
            return Err(format!("recursive schemas are not supported: {reference}"));
        }
        self.references.push(reference);
        let schema = self.schema(target, depth + 1);
        self.references.pop();
        schema
    }

    fn any_of(&mut self, branches: &'a Value, depth: usize) -> Result<Schema, String> {
        let branches = branches.as_array().ok_or("'anyOf' must be a list")?;
        let branches: Result<Vec<_>, _> =
            branches.iter().map(|branch| self.schema(branch, depth + 1)).collect();
        match branches? {
            branches if branches.is_empty() => Err("'anyOf' must have a schema".to_owned()),
            branches => Ok(Schema::AnyOf(branches)),
        }
    }

    fn typed(
        &mut self,
        name: &str,
        members: &'a Map<String, Value>,
        depth: usize,
    ) -> Result<Schema, String> {
        match name {
            "object" => self.object(members, depth),
            "array" => self.array(members, depth),
            "string" => Ok(Schema::Text(format_of(members)?)),
            "integer" => Ok(Schema::Integer),
            "number" => Ok(Schema::Number),
            "boolean" => Ok(Schema::Boolean),
            "null" => Ok(Schema::Null),
            other => Err(format!("unknown type '{other}'")),
        }
    }

    fn object(&mut self, members: &'a Map<String, Value>, depth: usize) -> Result<Schema, String> {
        if members.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(
                "For 'object' type, 'additionalProperties' must be explicitly set to false"
                    .to_owned(),
            );
        }
        let required = required(members)?;
        let mut properties = Vec::new();
        if let Some(described) = members.get("properties") {
            let described = described.as_object().ok_or("'properties' must be an object")?;
            for (name, schema) in described {
                let schema = self
                    .schema(schema, depth + 1)
                    .map_err(|error| format!("properties.{name}: {error}"))?;
                let required = required.contains(&name.as_str());
                properties.push(Property { name: name.clone(), schema, required });
            }
        }
        // The dice depend on the order, so it must not depend on the map's.
        properties.sort_by(|one, other| one.name.cmp(&other.name));
        let known = |name: &&str| properties.iter().any(|property| property.name == **name);
        match required.iter().find(|name| !known(name)) {
            Some(name) => Err(format!("'required' names '{name}', which 'properties' does not")),
            None => Ok(Schema::Object(properties)),
        }
    }

    fn array(&mut self, members: &'a Map<String, Value>, depth: usize) -> Result<Schema, String> {
        let items = members.get("items").ok_or("For 'array' type, 'items' is required")?;
        let items = self.schema(items, depth + 1).map_err(|error| format!("items: {error}"))?;
        let min_items = match members.get("minItems").map(Value::as_u64) {
            None | Some(Some(0)) => 0,
            Some(Some(1)) => 1,
            Some(_) => {
                return Err(
                    "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
                        .to_owned(),
                );
            }
        };
        Ok(Schema::Array { items: Box::new(items), min_items })
    }
}

/// Returns the keywords of a type.
fn keywords_of(type_name: &str) -> &'static [&'static str] {
    match type_name {
        "object" => &["properties", "required", "additionalProperties"],
        "array" => &["items", "minItems"],
        "string" => &["format"],
        _ => &[],
    }
}

/// Returns the schema's types, at least one, or `None` if it names none.
fn types(members: &Map<String, Value>) -> Result<Option<Vec<&str>>, String> {
    let Some(named) = members.get("type") else { return Ok(None) };
    let names = match named {
        Value::Array(names) => names.iter().map(Value::as_str).collect(),
        name => name.as_str().map(|name| vec![name]),
    };
    let names = names.filter(|names| !names.is_empty());
    names.map(Some).ok_or_else(|| "'type' must be a name or a list of names".to_owned())
}

/// Refuses keywords that the types do not support.
fn unsupported(names: &[&str], members: &Map<String, Value>) -> Result<(), String> {
    let of_type = |word: &str| names.iter().any(|name| keywords_of(name).contains(&word));
    let known = |word: &str| word == "type" || ANNOTATIONS.contains(&word) || of_type(word);
    let mut words: Vec<&str> =
        members.keys().map(String::as_str).filter(|word| !known(word)).collect();
    words.sort_unstable();
    let names = names.join("|");
    match words.as_slice() {
        [] => Ok(()),
        [word] => Err(format!("For '{names}' type, property '{word}' is not supported")),
        words => {
            Err(format!("For '{names}' type, properties {} are not supported", words.join(", ")))
        }
    }
}

/// Refuses keywords other than `word` and `more`.
fn only(members: &Map<String, Value>, word: &str, more: &[&str]) -> Result<(), String> {
    let known = |name: &str| name == word || more.contains(&name) || ANNOTATIONS.contains(&name);
    match members.keys().find(|name| !known(name)) {
        Some(other) => Err(format!("claude-sim does not support '{other}' next to '{word}'")),
        None => Ok(()),
    }
}

/// Keeps the `values` that have the schema's type, if it names one.
fn one_of(members: &Map<String, Value>, word: &str, values: &[Value]) -> Result<Schema, String> {
    only(members, word, &["type"])?;
    if values.iter().any(|value| value.is_array() || value.is_object()) {
        return Err(format!("'{word}' supports only strings, numbers, booleans and null"));
    }
    let names = types(members)?;
    let fits = |value: &&Value| match &names {
        Some(names) => names.iter().any(|name| is_of(value, name)),
        None => true,
    };
    let values: Vec<Value> = values.iter().filter(fits).cloned().collect();
    if values.is_empty() {
        return Err(format!("no value of '{word}' has the schema's type"));
    }
    Ok(Schema::OneOf(values))
}

fn is_of(value: &Value, type_name: &str) -> bool {
    match value {
        Value::String(_) => type_name == "string",
        Value::Bool(_) => type_name == "boolean",
        Value::Null => type_name == "null",
        Value::Number(number) => {
            let whole = number.is_i64() || number.is_u64();
            type_name == "number" || (type_name == "integer" && whole)
        }
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn required(members: &Map<String, Value>) -> Result<Vec<&str>, String> {
    let Some(names) = members.get("required") else { return Ok(Vec::new()) };
    let names = names.as_array().and_then(|names| names.iter().map(Value::as_str).collect());
    names.ok_or_else(|| "'required' must be a list of names".to_owned())
}

fn format_of(members: &Map<String, Value>) -> Result<Option<Format>, String> {
    let Some(name) = members.get("format") else { return Ok(None) };
    let format = name.as_str().and_then(Format::named);
    format.map(Some).ok_or_else(|| format!("For 'string' type, 'format' {name} is not supported"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(schema: &Value) -> String {
        match parse(schema) {
            Ok(schema) => format!("{schema:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn unsupported_schemas_are_refused() {
        let object = |properties: Value| json!({ "type": "object", "additionalProperties": false, "properties": properties });
        let schemas = [
            json!({ "type": "object", "properties": {} }),
            object(json!({ "a": { "type": "object", "additionalProperties": true } })),
            object(json!({ "score": { "type": "integer", "minimum": 0, "maximum": 100 } })),
            object(json!({ "a": { "type": ["string", "null"], "maxLength": 10 } })),
            json!({ "type": "array", "items": { "type": "string" }, "minItems": 2 }),
            json!({ "type": "array" }),
            json!({ "type": "string", "format": "colour" }),
            json!({ "type": "string", "pattern": "^a" }),
            json!({ "type": "text" }),
            json!({ "enum": [] }),
            json!({ "type": "string", "enum": [1, 2] }),
            json!({ "enum": [{}] }),
            json!({ "anyOf": [] }),
            json!({ "anyOf": [{ "type": "null" }], "type": "string" }),
            json!({ "allOf": [{ "type": "null" }] }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } }),
            json!({ "$ref": "https://example.com/a.json" }),
            json!({ "type": "object", "additionalProperties": false, "required": ["a"] }),
            json!(true),
        ];
        let outcomes: Vec<_> = schemas.iter().map(outcome).collect();
        insta::assert_snapshot!(outcomes.join("\n"), @r#"
        For 'object' type, 'additionalProperties' must be explicitly set to false
        properties.a: For 'object' type, 'additionalProperties' must be explicitly set to false
        properties.score: For 'integer' type, properties maximum, minimum are not supported
        properties.a: For 'string|null' type, property 'maxLength' is not supported
        For 'array' type, 'minItems' values other than 0 or 1 are not supported
        For 'array' type, 'items' is required
        For 'string' type, 'format' "colour" is not supported
        For 'string' type, property 'pattern' is not supported
        unknown type 'text'
        no value of 'enum' has the schema's type
        no value of 'enum' has the schema's type
        'enum' supports only strings, numbers, booleans and null
        'anyOf' must have a schema
        claude-sim does not support 'type' next to 'anyOf'
        a schema needs 'type', 'enum', 'const', 'anyOf' or '$ref'
        recursive schemas are not supported: #/$defs/a
        '$ref' must name a schema within this one, such as #/$defs/name, found https://example.com/a.json
        'required' names 'a', which 'properties' does not
        a schema must be an object
        "#);
    }

    #[test]
    fn a_schema_that_triples_with_each_reference_is_too_complex() {
        let mut definitions = Map::new();
        definitions.insert("s0".to_owned(), json!({ "type": "null" }));
        for level in 1..12 {
            let below = json!({ "$ref": format!("#/$defs/s{}", level - 1) });
            definitions.insert(format!("s{level}"), json!({ "anyOf": [below, below, below] }));
        }
        let schema = json!({ "$ref": "#/$defs/s11", "$defs": definitions });
        assert_eq!(parse(&schema), Err("Schema is too complex".to_owned()));
    }

    #[test]
    fn members_are_sorted_by_name() {
        let nothing = json!({ "type": "null" });
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "b": nothing, "c": nothing, "a": nothing },
        });
        let Ok(Schema::Object(properties)) = parse(&schema) else { panic!("an object") };
        let names: Vec<_> = properties.iter().map(|property| property.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn references_and_type_lists_are_resolved() {
        let schema = json!({
            "$defs": { "name": { "type": "string" } },
            "type": ["array", "null"],
            "items": { "$ref": "#/$defs/name", "description": "who" },
            "minItems": 1,
        });
        let names = Schema::Array { items: Box::new(Schema::Text(None)), min_items: 1 };
        assert_eq!(parse(&schema), Ok(Schema::AnyOf(vec![names, Schema::Null])));
        let one = json!({ "type": ["integer", "null"], "enum": [1, "2", null, 3.5] });
        assert_eq!(parse(&one), Ok(Schema::OneOf(vec![json!(1), Value::Null])));
    }
}
