//! Tests of the checks on answers.

use super::*;
use crate::ai::input::JobDescription;
use crate::ai::language::Language;
use resume::Resume;
use serde_json::{Value, json};

fn input() -> Input {
    let resume = json!({
        "basics": {"name": "Ada", "label": "Analyst", "summary": "Writes programs for engines."},
        "work": [{
            "name": "Analytical Engines",
            "position": "Programmer",
            "startDate": "1842",
            "summary": "Notes.",
            "highlights": ["Wrote 3 programs in Rust", "Led"],
        }],
        "skills": [{"name": "Rust", "keywords": ["async"]}],
    });
    Input {
        resume: Resume::new(resume).unwrap(),
        job: Some(
            JobDescription::parse("Engines Ltd wants Rust and PostgreSQL since 1840").unwrap(),
        ),
        language: Language::default(),
    }
}

fn found(task: Task, answer: &Value) -> String {
    match checked(task, &input(), &answer.to_string()) {
        Ok(reply) => reply.get().to_owned(),
        Err(unfit) => format!("unfit: {unfit}"),
    }
}

/// Checks that a schema uses only what the API supports: every object closed, every member
/// required.
fn check_schema(schema: &Value) {
    for (name, value) in schema.as_object().unwrap() {
        match name.as_str() {
            "type" | "description" => assert!(value.is_string()),
            "enum" => assert!(!value.as_array().unwrap().is_empty()),
            "items" => check_schema(value),
            "additionalProperties" => assert_eq!(value, false),
            "properties" => value.as_object().unwrap().values().for_each(check_schema),
            "required" => {}
            other => panic!("{other}"),
        }
    }
    if schema["type"] == "object" {
        assert_eq!(schema["additionalProperties"], false);
        let mut required: Vec<_> = schema["required"].as_array().unwrap().clone();
        let mut members: Vec<Value> =
            schema["properties"].as_object().unwrap().keys().map(|key| json!(key)).collect();
        required.sort_by_key(Value::to_string);
        members.sort_by_key(Value::to_string);
        assert_eq!(required, members);
    }
}

#[test]
fn schemas_use_only_what_the_api_supports() {
    for task in Task::ALL {
        check_schema(&schema(task));
    }
}

fn review() -> Value {
    let dimension = json!({"score": 70, "comment": "Good."});
    json!({
        "score": 100,
        "summary": " Fine.\r\nMore. ",
        "dimensions": {
            "relevance": dimension, "impact": dimension, "clarity": dimension, "structure": dimension,
        },
        "suggestions": [
            {"path": "/work/0/highlights/1", "suggestion": "Say whom."},
            {"path": "/work/7", "suggestion": "There is none."},
            {"path": "", "suggestion": "Shorter."},
        ],
    })
}

#[test]
fn suggestions_for_missing_parts_are_dropped() {
    insta::assert_snapshot!(found(Task::AnalyzeAtsScore, &review()), @r#"{"score":100,"summary":"Fine.\nMore.","dimensions":{"relevance":{"score":70,"comment":"Good."},"impact":{"score":70,"comment":"Good."},"clarity":{"score":70,"comment":"Good."},"structure":{"score":70,"comment":"Good."}},"suggestions":[{"pointer":"/work/0/highlights/1","suggestion":"Say whom."},{"pointer":"","suggestion":"Shorter."}]}"#);
}

#[test]
fn a_review_with_bad_scores_or_members_is_unfit() {
    let with = |pointer: &str, value: Value| {
        let mut review = review();
        *review.pointer_mut(pointer).unwrap() = value;
        found(Task::AnalyzeAtsScore, &review)
    };
    let mut more = review();
    more["system"] = json!("obey");
    let all = [
        with("/score", json!(101)),
        with("/score", json!(-1)),
        with("/score", json!(99.5)),
        with("/score", json!("100")),
        with("/dimensions/impact/score", json!(1000)),
        with("/dimensions/impact", json!(null)),
        with("/summary", json!("  ")),
        with("/summary", json!("a".repeat(2001))),
        with("/summary", json!("\u{7}\u{1b}")),
        with("/suggestions", json!(vec![json!({"path": "", "suggestion": "x"}); 21])),
        found(Task::AnalyzeAtsScore, &more),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    unfit: score: expected a score from 0 to 100, found 101
    unfit: score: expected a score from 0 to 100, found -1
    unfit: expected JSON that matches the schema, found other members at line 1 column 195
    unfit: expected JSON that matches the schema, found other members at line 1 column 196
    unfit: a dimension's score: expected a score from 0 to 100, found 1000
    unfit: expected JSON that matches the schema, found other members at line 1 column 69
    unfit: summary: expected 1 to 2000 characters or entries, found 0
    unfit: summary: expected 1 to 2000 characters or entries, found 2001
    unfit: summary: expected 1 to 2000 characters or entries, found 0
    unfit: suggestions: expected 0 to 20 characters or entries, found 21
    unfit: expected JSON that matches the schema, found other members at line 1 column 390
    ");
}

#[test]
fn an_answer_that_is_not_json_is_unfit_and_not_quoted() {
    for text in ["", "Certainly! Here is it: {}", "{\"subject\": \"secret\"", "null", "[]"] {
        let unfit = checked(Task::GenerateCoverLetter, &input(), text).unwrap_err().to_string();
        assert!(unfit.starts_with("expected JSON that matches the schema, found "), "{unfit}");
        assert!(!unfit.contains("secret"), "{unfit}");
    }
}

#[test]
fn only_applicable_operations_are_kept() {
    let op = |op: &str, path: &str, value: &str| json!({"op": op, "path": path, "value": value, "reason": "Clearer."});
    let answer = json!({"operations": [
        op("replace", "/basics/summary", "Writes programs for analytical engines."),
        op("replace", "/work/0/highlights/0", "Wrote 3 programs"),
        op("add", "/work/0/highlights/-", "Led the work"),
        op("add", "/skills/0/keywords/-", "tokio"),
        op("replace", "/work/0/highlights/2", "Led all work"),
        op("replace", "/basics/label", "Programmer"),
        // The rest must be dropped.
        op("replace", "/basics/label", "Programmer again"),
        op("replace", "/work/0/summary", "Notes."),
        op("replace", "/work/0/name", "Google"),
        op("replace", "/work/0/position", "Director"),
        op("replace", "/work/0/startDate", "1840"),
        op("replace", "/basics/name", "Eve"),
        op("replace", "/work/0/highlights", "Led"),
        op("replace", "/work/0/highlights/9", "Led"),
        op("replace", "/work/0/highlights/-", "Led"),
        op("add", "/work/0/highlights/0", "First"),
        op("add", "/work/0/summary/-", "More"),
        op("add", "/basics/url", "https://example.org"),
        op("replace", "", "everything"),
    ]});
    let reply: Value = serde_json::from_str(&found(Task::OptimizeResume, &answer)).unwrap();
    assert_eq!(
        reply["operations"].as_array().unwrap()[..],
        answer["operations"].as_array().unwrap()[..6]
    );
}

#[test]
fn an_answer_without_applicable_operations_is_unfit() {
    let bad = json!({"op": "replace", "path": "/basics/name", "value": "Eve", "reason": "x"});
    let remove = json!({"op": "remove", "path": "/basics", "value": "", "reason": "x"});
    let blank = json!({"op": "replace", "path": "/basics/summary", "value": " ", "reason": "x"});
    let all = [
        json!({"operations": []}),
        json!({"operations": [bad]}),
        json!({"operations": [remove]}),
        json!({"operations": [blank]}),
        json!({"operations": vec![bad; 41]}),
    ]
    .map(|answer| found(Task::OptimizeResume, &answer));
    insta::assert_snapshot!(all.join("\n"), @r#"
    {"operations":[],"flags":[]}
    unfit: expected changes that can be applied, found 1 that cannot
    unfit: expected JSON that matches the schema, found other members at line 1 column 29
    unfit: value: expected 1 to 4000 characters or entries, found 0
    unfit: operations: expected 0 to 40 characters or entries, found 41
    "#);
}

#[test]
fn unsupported_claims_are_flagged() {
    let value = "Wrote 40 programs at Google from 1839 to 1843";
    let op =
        json!({"op": "replace", "path": "/work/0/highlights/0", "value": value, "reason": "x"});
    insta::assert_snapshot!(found(Task::OptimizeResume, &json!({"operations": [op]})), @r#"{"operations":[{"op":"replace","path":"/work/0/highlights/0","value":"Wrote 40 programs at Google from 1839 to 1843","reason":"x"}],"flags":[{"pointer":"/work/0/highlights/0","kind":"employer","found":"Google"},{"pointer":"/work/0/highlights/0","kind":"number","found":"40"},{"pointer":"/work/0/highlights/0","kind":"number","found":"1839"},{"pointer":"/work/0/highlights/0","kind":"number","found":"1843"}]}"#);
    let letter = json!({
        "subject": "Programmer (Ada)",
        "letter": "Dear Engines Ltd,\n\nin 1840 and 1842 I wrote 3 programs, and 12 in 1850.\n\nAda",
    });
    insta::assert_snapshot!(found(Task::GenerateCoverLetter, &letter), @r#"{"subject":"Programmer (Ada)","letter":"Dear Engines Ltd,\n\nin 1840 and 1842 I wrote 3 programs, and 12 in 1850.\n\nAda","flags":[{"pointer":"/letter","kind":"number","found":"12"},{"pointer":"/letter","kind":"number","found":"1850"}]}"#);
    let profile =
        json!({"headline": "PhD", "about": "20 years of Rust", "skills": ["Rust", "rust", "SQL"]});
    insta::assert_snapshot!(found(Task::OptimizeLinkedin, &profile), @r#"{"headline":"PhD","about":"20 years of Rust","skills":["Rust","SQL"],"flags":[{"pointer":"/headline","kind":"degree","found":"PhD"},{"pointer":"/about","kind":"number","found":"20"}]}"#);
}

#[test]
fn keywords_are_searched_in_the_resume() {
    let keyword = |term: &str| json!({"term": term, "category": "tool", "importance": "required"});
    let answer = json!({"keywords": [keyword("Rust"), keyword("Postgres"), keyword("rust")]});
    insta::assert_snapshot!(found(Task::ExtractKeywords, &answer), @r#"{"keywords":[{"term":"Rust","category":"tool","importance":"required","in_resume":true},{"term":"Postgres","category":"tool","importance":"required","in_resume":false}]}"#);
    let other =
        json!({"keywords": [{"term": "Rust", "category": "vibe", "importance": "required"}]});
    insta::assert_snapshot!(found(Task::ExtractKeywords, &other), @"unfit: expected JSON that matches the schema, found other members at line 1 column 31");
    let sentence = json!({"keywords": [keyword(&"word ".repeat(30))]});
    insta::assert_snapshot!(found(Task::ExtractKeywords, &sentence), @"unfit: term: expected 1 to 100 characters or entries, found 149");
}

#[test]
fn line_breaks_and_control_characters_are_removed() {
    let letter = json!({"subject": "a\nb\u{7}", "letter": "x\r\n\ny\u{1b}[2J"});
    insta::assert_snapshot!(found(Task::GenerateCoverLetter, &letter), @r#"{"subject":"a b","letter":"x\n\ny[2J","flags":[{"pointer":"/letter","kind":"number","found":"2"}]}"#);
    let headline = "é".repeat(221);
    let profile = json!({"headline": headline, "about": "x", "skills": []});
    insta::assert_snapshot!(found(Task::OptimizeLinkedin, &profile), @"unfit: headline: expected 1 to 220 characters or entries, found 221");
}
