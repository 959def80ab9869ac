//! The cache key of an answer: everything that the answer depends on.
//!
//! Used by [`super::Ai`], which hashes these parts with the user's secret.

use super::input::Input;
use super::model::Model;
use super::prompt::Prompt;
use super::task::Task;
use serde_json::Value;
use std::fmt::Write as _;

/// Increment this when the stored form of an answer changes, or the way answers are checked and
/// completed. Prompts and schemas are covered by their hash.
const VERSION: &str = "1";

/// Returns the parts of the key, in a fixed order. The user isn't among them, because the hash is
/// keyed with their secret.
#[must_use]
pub(crate) fn parts(
    task: Task,
    service: &str,
    prompt: &Prompt,
    model: &Model,
    input: &Input,
) -> Vec<String> {
    // Distinguish an absent description from an empty one.
    let job = input.job.as_ref().map_or_else(String::new, |job| format!("={}", job.as_str()));
    vec![
        VERSION.to_owned(),
        env!("CARGO_PKG_VERSION").to_owned(),
        task.name().to_owned(),
        service.to_owned(),
        prompt.hash.clone(),
        model.name.clone(),
        model.effort_name().to_owned(),
        model.max_tokens.to_string(),
        input.language.to_string(),
        job,
        canonical(input.resume.as_value()),
    ]
}

/// Returns the value's canonical form: compact, with members sorted by the bytes of their names. A
/// résumé in the body and the same one in the database get the same key.
#[must_use]
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

/// Recurses as deep as the value, which [`resume::document::check::MAX_DEPTH`] limits.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            between(text, ['{', '}'], members, |(name, member), text| {
                write_leaf(&Value::String(name.clone()), text);
                text.push(':');
                write_canonical(member, text);
            });
        }
        Value::Array(items) => between(text, ['[', ']'], items, write_canonical),
        leaf => write_leaf(leaf, text),
    }
}

fn between<T>(
    text: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(T, &mut String),
) {
    text.push(open);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write(item, text);
    }
    text.push(close);
}

fn write_leaf(leaf: &Value, text: &mut String) {
    // Writing to a string cannot fail.
    let _infallible = write!(text, "{leaf}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::input::JobDescription;
    use crate::ai::language::Language;
    use resume::Resume;
    use serde_json::json;

    #[test]
    fn equal_documents_have_one_canonical_form() {
        let check = |text: &str, expected: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(canonical(&value), expected);
        };
        check(
            r#" { "b" : [ 1 , {"z":null,"a":true} ] , "a" : "\u00e9\/\"" } "#,
            r#"{"a":"é/\"","b":[1,{"a":true,"z":null}]}"#,
        );
        check(r#"{"a":{},"B":[],"":1.50}"#, r#"{"":1.5,"B":[],"a":{}}"#);
        check("18446744073709551615", "18446744073709551615");
    }

    fn input(name: &str, job: Option<&str>, language: &str) -> Input {
        Input {
            resume: Resume::new(json!({"basics": {"name": name}})).unwrap(),
            job: job.map(|job| JobDescription::parse(job).unwrap()),
            language: Language::parse(language).unwrap(),
        }
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let prompt = |hash: &str| Prompt {
            system: String::new(),
            schema: Value::Null,
            hash: hash.to_owned(),
        };
        let model = |text: &str| Model::parse(text).unwrap();
        let (p, m, i) = (prompt("p"), model("m:low:300"), input("a", Some("j"), "en"));
        let task = Task::OptimizeResume;
        let same = parts(task, "s", &p, &m, &i);
        assert_eq!(same, parts(task, "s", &p, &m, &input("a", Some(" j\n"), "EN")));
        for other in [
            parts(Task::ExtractKeywords, "s", &p, &m, &i),
            parts(task, "t", &p, &m, &i),
            parts(task, "s", &prompt("q"), &m, &i),
            parts(task, "s", &p, &model("n:low:300"), &i),
            parts(task, "s", &p, &model("m:high:300"), &i),
            parts(task, "s", &p, &model("m:default:300"), &i),
            parts(task, "s", &p, &model("m:low:301"), &i),
            parts(task, "s", &p, &m, &input("b", Some("j"), "en")),
            parts(task, "s", &p, &m, &input("a", Some("k"), "en")),
            parts(task, "s", &p, &m, &input("a", None, "en")),
            parts(task, "s", &p, &m, &input("a", Some("j"), "de")),
        ] {
            assert_ne!(same, other);
        }
    }
}
