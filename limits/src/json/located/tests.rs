use super::*;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Everything {
    flag: bool,
    unsigned: u8,
    signed: i64,
    float: f64,
    text: String,
    word: Option<Word>,
    list: Vec<u8>,
    pair: (u8, u8),
    table: BTreeMap<String, Everything>,
    wrapped: Wrapped,
    any: Option<Value>,
    either: Option<Either>,
    needed: Option<Needed>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Wrapped(u8);

#[derive(Debug, PartialEq, Deserialize)]
struct Needed {
    #[serde(rename = "x")]
    _x: u8,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    One,
    TwoWords,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Either {
    Text(String),
    Numbers(Vec<u8>),
}

fn read(document: &Value) -> Result<Everything, (String, String)> {
    Everything::deserialize(Part(document)).map_err(Located::into_parts)
}

/// Returns what serde_path_to_error makes of `document`.
fn expected(document: &Value) -> Result<Everything, (String, String)> {
    serde_path_to_error::deserialize(document.clone()).map_err(|error| {
        let error = super::super::locate(error);
        (error.pointer, error.message)
    })
}

#[test]
fn values_and_mistakes_are_those_of_serde_path_to_error() {
    let values = [
        json!(null),
        json!(true),
        json!(1),
        json!(300),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!("one"),
        json!("two_words"),
        json!([]),
        json!([1, 2]),
        json!([1, 2, 3]),
        json!([1, "x"]),
        json!({}),
        json!({ "x": 1 }),
        json!({ "x": "y" }),
        json!({ "text": "y" }),
        json!({ "a/b": { "flag": true }, "c~d": { "list": [1, 2, null] } }),
    ];
    let fields = [
        "flag",
        "unsigned",
        "signed",
        "float",
        "text",
        "word",
        "list",
        "pair",
        "table",
        "wrapped",
        "any",
        "either",
        "needed",
        "unknown/field",
    ];
    let (mut good, mut bad) = (0, 0);
    for (field, value) in fields.iter().flat_map(|field| values.iter().map(move |v| (field, v))) {
        // The messages about an enum that is not a text differ.
        if *field == "word" && !value.is_string() && !value.is_null() {
            continue;
        }
        let inner = json!({ *field: value });
        for document in [json!({ "table": { "a": inner } }), inner] {
            let found = read(&document);
            if found.is_ok() {
                good += 1
            } else {
                bad += 1
            }
            assert_eq!(found, expected(&document), "{document}");
        }
    }
    assert!(good > 90 && bad > 90, "{good} {bad}");
    let error = read(&json!({ "table": { "a": { "word": 1 } } })).unwrap_err();
    let message = "invalid type: integer `1`, expected a string".to_owned();
    assert_eq!(error, ("/table/a/word".to_owned(), message));
}
