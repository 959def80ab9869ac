//! `analyze-ats-score`: Claude's review, which accompanies the score from [`resume::ats`].

use super::bounds::{self, Lines};
use super::unfit::Unfit;
use crate::ai::input::Input;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most suggestions in an answer.
const MAX_SUGGESTIONS: usize = 20;
/// The longest comment or suggestion, in characters.
const MAX_SENTENCE_CHARS: usize = 1000;
/// The longest summary, in characters.
const MAX_SUMMARY_CHARS: usize = 2000;

/// A review.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Review {
    #[schema(maximum = 100)]
    score: u8,
    summary: String,
    dimensions: Dimensions<Dimension>,
    suggestions: Vec<Suggestion>,
}

/// The dimensions of a review.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReviewDimensions)]
struct Dimensions<T> {
    relevance: T,
    impact: T,
    clarity: T,
    structure: T,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ReviewDimension)]
struct Dimension {
    #[schema(maximum = 100)]
    score: u8,
    comment: String,
}

/// A suggestion, and the part of the résumé it concerns.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ReviewSuggestion)]
struct Suggestion {
    pointer: String,
    suggestion: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    score: i64,
    summary: String,
    dimensions: Dimensions<RawDimension>,
    suggestions: Vec<RawSuggestion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDimension {
    score: i64,
    comment: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSuggestion {
    path: String,
    suggestion: String,
}

pub(super) fn schema() -> Value {
    let score = json!({"type": "integer", "description": "a score from 0 to 100"});
    let text = json!({"type": "string"});
    let dimension = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["score", "comment"],
        "properties": {"score": score, "comment": text},
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["score", "summary", "dimensions", "suggestions"],
        "properties": {
            "score": score,
            "summary": text,
            "dimensions": {
                "type": "object",
                "additionalProperties": false,
                "required": ["relevance", "impact", "clarity", "structure"],
                "properties": {
                    "relevance": dimension,
                    "impact": dimension,
                    "clarity": dimension,
                    "structure": dimension,
                },
            },
            "suggestions": {"type": "array", "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["path", "suggestion"],
                "properties": {
                    "path": {"type": "string", "description": "a JSON Pointer into the résumé"},
                    "suggestion": text,
                },
            }},
        },
    })
}

pub(super) fn checked(input: &Input, text: &str) -> Result<Review, Unfit> {
    let raw: RawAnswer = bounds::parse(text)?;
    let Dimensions { relevance, impact, clarity, structure } = raw.dimensions;
    Ok(Review {
        score: bounds::score("score", raw.score)?,
        summary: bounds::text("summary", &raw.summary, MAX_SUMMARY_CHARS, Lines::Many)?,
        dimensions: Dimensions {
            relevance: dimension(&relevance)?,
            impact: dimension(&impact)?,
            clarity: dimension(&clarity)?,
            structure: dimension(&structure)?,
        },
        suggestions: suggestions(input, raw.suggestions)?,
    })
}

fn dimension(raw: &RawDimension) -> Result<Dimension, Unfit> {
    Ok(Dimension {
        score: bounds::score("a dimension's score", raw.score)?,
        comment: bounds::text("comment", &raw.comment, MAX_SENTENCE_CHARS, Lines::Many)?,
    })
}

/// Keeps the suggestions whose path exists in the résumé.
fn suggestions(input: &Input, raw: Vec<RawSuggestion>) -> Result<Vec<Suggestion>, Unfit> {
    let raw = bounds::list("suggestions", raw, MAX_SUGGESTIONS)?;
    let document = input.resume.as_value();
    raw.into_iter()
        .filter(|raw| document.pointer(&raw.path).is_some())
        .map(|RawSuggestion { path: pointer, suggestion }| {
            let suggestion =
                bounds::text("suggestion", &suggestion, MAX_SENTENCE_CHARS, Lines::Many)?;
            Ok(Suggestion { pointer, suggestion })
        })
        .collect()
}
