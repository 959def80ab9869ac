//! Answers are valid for every schema: random ones, and realistic ones.

#![cfg(test)]

use claude_sim::answer::{self, Wanted};
use claude_sim::request::Request;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const RESUME: &str = r#"<resume>{"basics":{"name":"Ada","summary":"Led 3 teams"},"work":[
    {"highlights":["Built it in 2019","Ran it"]}]}</resume><job>Rust, Kafka</job>"#;

/// Names with a meaning for the generator, and others.
const NAMES: [&str; 14] = [
    "op", "path", "value", "from", "letter", "about", "score", "keywords", "summary", "items",
    "reason", "a b", "é", "type",
];
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Returns the answer to `text` with `schema`, or `None` if it would be too large.
fn answer(schema: &Value, text: &str, number: u64) -> Option<Value> {
    let body = json!({
        "model": "claude-haiku-5-5",
        "max_tokens": 128_000,
        "system": format!("Prompt {number}"),
        "messages": [{ "role": "user", "content": text }],
        "output_config": { "format": { "type": "json_schema", "schema": schema } },
    });
    let request = Request::parse(&body).unwrap();
    let answer = answer::of(&request, Wanted::default()).ok()?;
    Some(serde_json::from_str(&answer.text.unwrap()).unwrap())
}

fn assert_valid(schema: &Value, text: &str, number: u64) {
    let Some(value) = answer(schema, text, number) else { return };
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    if let Err(error) = validator.validate(&value) {
        panic!("{error}\n{schema:#}\n{value:#}");
    }
}

fn object(properties: Vec<(&'static str, Value)>, required: &[bool]) -> Value {
    let properties: Map<String, Value> =
        properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let names = properties.keys().zip(required).filter(|(_, needed)| **needed);
    let required: Vec<_> = names.map(|(name, _)| name.clone()).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
        "description": "an object",
    })
}

fn constant() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-zé ]{0,8}".prop_map(Value::from),
        Just(json!("replace")),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    let types = prop::sample::select(vec!["string", "integer", "number", "boolean", "null"]);
    prop_oneof![
        4 => types.clone().prop_map(|name| json!({ "type": name })),
        1 => prop::sample::subsequence(vec!["string", "integer", "boolean", "null"], 1..=4)
            .prop_map(|names| json!({ "type": names })),
        1 => prop::sample::select(FORMATS.to_vec())
            .prop_map(|format| json!({ "type": "string", "format": format })),
        1 => prop::collection::vec(constant(), 1..4).prop_map(|values| json!({ "enum": values })),
        1 => constant().prop_map(|value| json!({ "const": value })),
        1 => (0..2).prop_map(|number| json!({ "$ref": format!("#/$defs/d{number}") })),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let nested = leaf().prop_recursive(5, 60, 6, |inner| {
        let names = prop::sample::subsequence(NAMES.to_vec(), 0..7);
        let properties = (
            names,
            prop::collection::vec(inner.clone(), 7),
            prop::collection::vec(any::<bool>(), 7),
        );
        prop_oneof![
            4 => properties.prop_map(|(names, schemas, required)| {
                object(names.into_iter().zip(schemas).collect(), &required)
            }),
            2 => (inner.clone(), prop::option::of(0..=1)).prop_map(|(items, min)| match min {
                Some(min) => json!({ "type": "array", "items": items, "minItems": min }),
                None => json!({ "type": ["array", "null"], "items": items }),
            }),
            1 => prop::collection::vec(inner, 1..4).prop_map(|any| json!({ "anyOf": any })),
        ]
    });
    (nested, leaf_without_reference()).prop_map(|(mut schema, definition)| {
        let operation = json!({ "enum": ["add", "replace"], "type": "string" });
        schema["$defs"] = json!({ "d0": definition, "d1": operation });
        schema
    })
}

fn leaf_without_reference() -> impl Strategy<Value = Value> {
    leaf()
        .prop_filter("a definition must not refer to itself", |schema| schema.get("$ref").is_none())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_answer_is_valid_for_any_schema(
        schema in schema(),
        number in 0_u64..1000,
        has_resume in any::<bool>(),
    ) {
        assert_valid(&schema, if has_resume { RESUME } else { "Say something" }, number);
    }
}

fn closed(properties: &Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

/// Returns schemas like those of a résumé product.
fn realistic() -> Vec<Value> {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let severity = json!({ "type": "string", "enum": ["error", "warning", "info"] });
    let mut finding = closed(&json!({
        "code": text, "severity": severity, "pointer": text, "detail": text,
    }));
    finding["description"] = "One thing to fix".into();
    let operation = closed(&json!({
        "op": { "type": "string", "enum": ["add", "remove", "replace"] },
        "path": { "type": "string", "description": "A JSON pointer" },
        "value": { "anyOf": [text, { "type": "null" }] },
        "reason": text,
    }));
    let mut scored = closed(&json!({
        "score": { "type": "integer", "description": "0 to 100" },
        "findings": { "type": "array", "items": { "$ref": "#/$defs/finding" } },
        "subscores": closed(&json!({
            "clarity": { "type": "number" }, "impact": { "type": "number" },
        })),
    }));
    scored["$defs"] = json!({ "finding": finding });
    vec![
        scored,
        closed(&json!({ "operations": { "type": "array", "items": operation, "minItems": 1 } })),
        closed(&json!({ "keywords": { "type": "array", "items": closed(&json!({
            "term": text,
            "kind": { "enum": ["skill", "tool", "domain"] },
            "weight": { "type": "integer" },
            "since": { "type": ["string", "null"], "format": "date" },
        })) } })),
        closed(&json!({ "subject": text, "letter": text, "language": { "const": "en" } })),
        closed(&json!({ "headline": text, "about": text, "skills": texts })),
    ]
}

#[test]
fn answers_to_realistic_schemas_are_valid() {
    for schema in realistic() {
        for number in 0..100 {
            assert_valid(&schema, RESUME, number);
            assert!(answer(&schema, RESUME, number).is_some());
        }
    }
}

#[test]
fn scores_are_from_0_to_100_and_changes_point_into_the_resume() {
    let resume = RESUME.split_once("<resume>").unwrap().1.split_once("</resume>").unwrap().0;
    let resume: Value = serde_json::from_str(resume).unwrap();
    let schemas = realistic();
    for number in 0..100 {
        let scored = answer(&schemas[0], RESUME, number).unwrap();
        assert!((0..=100).contains(&scored["score"].as_i64().unwrap()), "{scored}");
        let changes = answer(&schemas[1], RESUME, number).unwrap();
        for change in changes["operations"].as_array().unwrap() {
            assert_eq!(change["op"], "replace");
            let before = resume.pointer(change["path"].as_str().unwrap()).unwrap();
            assert!(before.is_string() && *before != change["value"], "{change}");
        }
    }
}
