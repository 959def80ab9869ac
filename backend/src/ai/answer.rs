//! Claude's answers: for each task, the schema given to Claude and the check of its answer.
//!
//! Used by [`super::prompt`] and [`super::ask`]. Schemas use only the part of JSON Schema that the
//! API supports (types, names, enumerations; every member required). `bounds` checks the rest. A
//! checked answer becomes the reply, completed with what our own code finds.

mod bounds;
mod flags;
mod keywords;
mod letter;
mod linkedin;
mod operations;
mod review;
mod unfit;

pub(crate) use keywords::Keywords;
pub(crate) use letter::Letter;
pub(crate) use linkedin::Profile;
pub(crate) use operations::Operations;
pub(crate) use review::Review;
pub(crate) use unfit::Unfit;

use super::input::Input;
use super::task::Task;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// Returns the JSON Schema of the task's answer.
#[must_use]
pub(crate) fn schema(task: Task) -> Value {
    match task {
        Task::AnalyzeAtsScore => review::schema(),
        Task::OptimizeResume => operations::schema(),
        Task::ExtractKeywords => keywords::schema(),
        Task::GenerateCoverLetter => letter::schema(),
        Task::OptimizeLinkedin => linkedin::schema(),
    }
}

/// Checks Claude's answer `text` and builds the reply from it. For [`Task::AnalyzeAtsScore`] this
/// is only the `review`.
///
/// # Errors
/// [`Unfit`] if the answer breaks the schema or its bounds.
pub(crate) fn checked(task: Task, input: &Input, text: &str) -> Result<Box<RawValue>, Unfit> {
    match task {
        Task::AnalyzeAtsScore => to_json(&review::checked(input, text)?),
        Task::OptimizeResume => to_json(&operations::checked(input, text)?),
        Task::ExtractKeywords => to_json(&keywords::checked(input, text)?),
        Task::GenerateCoverLetter => to_json(&letter::checked(input, text)?),
        Task::OptimizeLinkedin => to_json(&linkedin::checked(input, text)?),
    }
}

/// Serializes a reply.
pub(super) fn to_json(reply: &impl Serialize) -> Result<Box<RawValue>, Unfit> {
    to_raw_value(reply).map_err(|_| Unfit::Unwritable)
}

#[cfg(test)]
mod tests;
