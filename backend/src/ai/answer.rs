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

pub(crate) use keywords::Keywords;
pub(crate) use letter::Letter;
pub(crate) use linkedin::Profile;
pub(crate) use operations::Operations;
pub(crate) use review::Review;

use super::input::Input;
use super::task::Task;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// Why an answer is not taken. It says nothing of what the answer says: that is someone's résumé.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not of its schema, or not JSON.
    #[error("expected JSON of the schema, found {} at line {line} column {column}",
        if *is_json { "other members" } else { "no JSON" })]
    Shape {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
        /// Whether it is JSON all the same.
        is_json: bool,
    },
    /// A score is none.
    #[error("{what}: expected a score from 0 to 100, found {found}")]
    Score {
        /// Which.
        what: &'static str,
        /// What it is.
        found: i64,
    },
    /// A text or a list is empty or too long.
    #[error("{what}: expected {min} to {max} characters or entries, found {found}")]
    Length {
        /// Which.
        what: &'static str,
        /// How many characters or entries there have to be.
        min: usize,
        /// How many may be.
        max: usize,
        /// How many there are.
        found: usize,
    },
    /// There are changes, and none of them can be made.
    #[error("expected changes that can be made, found {found} that cannot")]
    NoOperation {
        /// How many.
        found: usize,
    },
    /// It cannot be written down, which our own types rule out.
    #[error("expected a reply that can be written as JSON")]
    Unwritable,
}

/// The JSON Schema of the task's answer.
#[must_use]
pub fn schema(task: Task) -> Value {
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
pub fn checked(task: Task, input: &Input, text: &str) -> Result<Box<RawValue>, Unfit> {
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
