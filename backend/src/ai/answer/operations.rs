//! `optimize-resume`: a JSON Patch against the résumé that was read, each operation shown to apply
//! and to leave a valid résumé, and flags for what it says that the résumé does not.

use super::bounds::{self, Lines};
use super::unfit::Unfit;
use crate::ai::input::Input;
use resume::Resume;
use resume::document::edit::Edit;
use resume::invention::{self, Invented};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most operations taken; a patch may have more ([`resume::document::edit::MAX_OPERATIONS`]).
const MAX_OPERATIONS: usize = 40;
/// The longest new text, in characters.
const MAX_VALUE_CHARS: usize = 4000;
/// The longest reason, in characters.
const MAX_REASON_CHARS: usize = 500;

/// The texts that may be worded anew: by the name that they, or their list, have.
const TEXTS: [&str; 2] = ["summary", "description"];
const LISTS: [&str; 4] = ["highlights", "keywords", "courses", "roles"];
/// The only other.
const LABEL: &str = "/basics/label";

/// A change of wording.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Wording)]
pub(crate) struct Operations {
    /// As RFC 6902 has it, which lets `reason` stand beside its own members: the list as it is can
    /// be sent to `PATCH /api/resumes/{id}`.
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
struct Said {
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

/// The operations that can be made, one after the other. Those that cannot are left out; if that
/// leaves none of several, the answer is not taken.
pub(super) fn checked(input: &Input, text: &str) -> Result<Operations, Unfit> {
    let said: Said = bounds::parsed(text)?;
    let said = bounds::list("operations", said.operations, MAX_OPERATIONS)?;
    let found = said.len();
    let mut resume = input.resume.clone();
    let mut operations: Vec<Operation> = Vec::new();
    for operation in said {
        let operation = bounded(operation)?;
        let is_first = operation.op == Op::Add
            || operations.iter().all(|earlier| earlier.path != operation.path);
        if let Some(next) = is_first.then(|| applied(&resume, &operation)).flatten() {
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

fn bounded(said: Operation) -> Result<Operation, Unfit> {
    Ok(Operation {
        value: bounds::text("value", &said.value, MAX_VALUE_CHARS, Lines::Many)?,
        reason: bounds::text("reason", &said.reason, MAX_REASON_CHARS, Lines::Many)?,
        ..said
    })
}

/// The résumé after the operation, if it is one that may be, changes something, and leaves a valid
/// résumé.
fn applied(resume: &Resume, operation: &Operation) -> Option<Resume> {
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

/// Whether the path leads to a text that may be worded anew.
fn is_wording(path: &str) -> bool {
    let (parent, name) = path.rsplit_once('/').unwrap_or_default();
    path == LABEL || TEXTS.contains(&name) || is_list(parent)
}

fn is_list(path: &str) -> bool {
    path.rsplit_once('/').is_some_and(|(_, name)| LISTS.contains(&name))
}
