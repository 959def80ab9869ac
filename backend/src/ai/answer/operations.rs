//! `optimize-resume`: a JSON Patch against the given résumé. Each operation is verified to apply
//! and to leave a valid résumé. Claims that the original doesn't support are flagged.

use super::bounds::{self, Lines};
use super::unfit::Unfit;
use crate::ai::input::Input;
use resume::Resume;
use resume::document::edit::Edit;
use resume::invention::{self, Invented};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most operations in an answer. A patch can have more
/// ([`resume::document::edit::MAX_OPERATIONS`]).
const MAX_OPERATIONS: usize = 40;
/// The longest new text, in characters.
const MAX_VALUE_CHARS: usize = 4000;
/// The longest reason, in characters.
const MAX_REASON_CHARS: usize = 500;

/// Texts that may be reworded, by their name or the name of their list.
const TEXTS: [&str; 2] = ["summary", "description"];
const LISTS: [&str; 4] = ["highlights", "keywords", "courses", "roles"];
/// The only other text that may be reworded.
const LABEL: &str = "/basics/label";

/// A patch that improves the wording.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Wording)]
pub(crate) struct Operations {
    /// RFC 6902 operations, which allow the extra member `reason`. A client can send the list to
    /// `PATCH /api/resumes/{id}` unchanged.
    operations: Vec<Operation>,
    flags: Vec<Invented>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WordingOperation)]
struct Operation {
    op: Op,
    path: String,
    value: String,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WordingOp)]
enum Op {
    Replace,
    Add,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    operations: Vec<Operation>,
}

pub(super) fn schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["operations"],
        "properties": {"operations": {"type": "array", "items": {
            "type": "object",
            "additionalProperties": false,
            "required": ["op", "path", "value", "reason"],
            "properties": {
                "op": {"type": "string", "enum": [Op::Replace, Op::Add]},
                "path": {"type": "string", "description": "a JSON Pointer into the résumé"},
                "value": {"type": "string", "description": "the whole new text"},
                "reason": text,
            },
        }}},
    })
}

/// Keeps the operations that apply in sequence, and drops the others. Fails if all are dropped.
pub(super) fn checked(input: &Input, text: &str) -> Result<Operations, Unfit> {
    let raw: RawAnswer = bounds::parse(text)?;
    let raw = bounds::list("operations", raw.operations, MAX_OPERATIONS)?;
    let found = raw.len();
    let mut resume = input.resume.clone();
    let mut operations: Vec<Operation> = Vec::new();
    for operation in raw {
        let operation = check_bounds(operation)?;
        let is_first = operation.op == Op::Add
            || operations.iter().all(|earlier| earlier.path != operation.path);
        if let Some(next) = is_first.then(|| apply(&resume, &operation)).flatten() {
            resume = next;
            operations.push(operation);
        }
    }
    if operations.is_empty() && found > 0 {
        return Err(Unfit::NoOperation { found });
    }
    let flags = invention::found(&input.resume, resume.as_value());
    Ok(Operations { operations, flags })
}

fn check_bounds(raw: Operation) -> Result<Operation, Unfit> {
    Ok(Operation {
        value: bounds::text("value", &raw.value, MAX_VALUE_CHARS, Lines::Many)?,
        reason: bounds::text("reason", &raw.reason, MAX_REASON_CHARS, Lines::Many)?,
        ..raw
    })
}

/// Applies the operation. Returns `None` if it is not allowed, changes nothing, or leaves an
/// invalid résumé.
fn apply(resume: &Resume, operation: &Operation) -> Option<Resume> {
    let document = resume.as_value();
    let is_change = match operation.op {
        Op::Replace => {
            let old = document.pointer(&operation.path).and_then(Value::as_str);
            is_wording(&operation.path) && old.is_some_and(|old| old != operation.value)
        }
        Op::Add => {
            let list = operation.path.strip_suffix("/-").filter(|list| is_list(list));
            list.and_then(|list| document.pointer(list)).is_some_and(Value::is_array)
        }
    };
    let patch = json!([{"op": operation.op, "path": operation.path, "value": operation.value}]);
    let changed = is_change.then(|| Edit::Patch(patch).apply(document).ok()).flatten()?;
    Resume::new(changed).ok()
}

/// Returns true if the path leads to a text that may be reworded.
fn is_wording(path: &str) -> bool {
    let (parent, name) = path.rsplit_once('/').unwrap_or_default();
    path == LABEL || TEXTS.contains(&name) || is_list(parent)
}

fn is_list(path: &str) -> bool {
    path.rsplit_once('/').is_some_and(|(_, name)| LISTS.contains(&name))
}
