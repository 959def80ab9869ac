//! What Claude answers: for each task the schema that it is told, and the check of what comes.
//!
//! Used by [`super::prompt`] and [`super::ask`]. A schema keeps to the part of JSON Schema that the
//! API knows (types, names, enumerations; every member required); what it cannot say, `bounds`
//! checks. What is checked becomes the reply, completed with what our own code finds out.

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

/// The JSON Schema of the task's answer.
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

/// The reply that `text`, Claude's answer for this input, comes to. (Of
/// [`Task::AnalyzeAtsScore`] it is the `review` only.)
///
/// # Errors
/// [`Unfit`].
pub(crate) fn checked(task: Task, input: &Input, text: &str) -> Result<Box<RawValue>, Unfit> {
    match task {
        Task::AnalyzeAtsScore => written(&review::checked(input, text)?),
        Task::OptimizeResume => written(&operations::checked(input, text)?),
        Task::ExtractKeywords => written(&keywords::checked(input, text)?),
        Task::GenerateCoverLetter => written(&letter::checked(input, text)?),
        Task::OptimizeLinkedin => written(&linkedin::checked(input, text)?),
    }
}

/// A reply in JSON.
pub(super) fn written(reply: &impl Serialize) -> Result<Box<RawValue>, Unfit> {
    to_raw_value(reply).map_err(|_| Unfit::Unwritable)
}

#[cfg(test)]
mod tests;
