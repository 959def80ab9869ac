//! `extract-keywords`: a job description's keywords, and which of them the résumé has.

use super::bounds::{self, Lines};
use super::unfit::Unfit;
use crate::ai::input::Input;
use resume::keywords::Held;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most keywords in an answer.
const MAX_KEYWORDS: usize = 60;
/// The longest keyword, in characters.
const MAX_TERM_CHARS: usize = 100;

/// The keywords, most important first, without duplicates.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Keywords)]
pub(crate) struct Keywords {
    keywords: Vec<Keyword>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Keyword {
    term: String,
    category: Category,
    importance: Importance,
    /// True if the résumé contains the term. Our code determines this, not Claude.
    in_resume: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeywordCategory)]
enum Category {
    HardSkill,
    SoftSkill,
    Tool,
    Qualification,
    Language,
    Domain,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeywordImportance)]
enum Importance {
    Required,
    Preferred,
    Mentioned,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    keywords: Vec<RawKeyword>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeyword {
    term: String,
    category: Category,
    importance: Importance,
}

pub(super) fn schema() -> Value {
    use Category::{Domain, HardSkill, Language, Other, Qualification, SoftSkill, Tool};
    let categories = [HardSkill, SoftSkill, Tool, Qualification, Language, Domain, Other];
    let importances = [Importance::Required, Importance::Preferred, Importance::Mentioned];
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["keywords"],
        "properties": {"keywords": {"type": "array", "items": {
            "type": "object",
            "additionalProperties": false,
            "required": ["term", "category", "importance"],
            "properties": {
                "term": {"type": "string", "description": "one to four words of the job description"},
                "category": {"type": "string", "enum": categories},
                "importance": {"type": "string", "enum": importances},
            },
        }}},
    })
}

pub(super) fn checked(input: &Input, text: &str) -> Result<Keywords, Unfit> {
    let raw: RawAnswer = bounds::parse(text)?;
    let raw = bounds::list("keywords", raw.keywords, MAX_KEYWORDS)?;
    let held = Held::of(texts(input.resume.as_value()));
    let mut keywords: Vec<Keyword> = Vec::new();
    for RawKeyword { term, category, importance } in raw {
        let term = bounds::text("term", &term, MAX_TERM_CHARS, Lines::One)?;
        if !keywords.iter().any(|known| known.term.to_lowercase() == term.to_lowercase()) {
            let in_resume = held.has(&term);
            keywords.push(Keyword { term, category, importance, in_resume });
        }
    }
    Ok(Keywords { keywords })
}

/// Collects all strings in a document. Its depth is at most [`resume::document::check::MAX_DEPTH`].
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
