//! Each task's model, effort and output limit.
//!
//! Read from the environment by [`crate::config`], one variable per task.

use super::task::Task;
use claude::Effort;
use std::fmt;
use std::ops::RangeInclusive;

/// The allowed limits on output tokens, including thinking.
const MAX_TOKENS: RangeInclusive<u32> = 256..=32_768;
/// The longest model name.
const MAX_NAME_BYTES: usize = 100;
/// The name of the effort if none is sent. Older models don't support it.
const DEFAULT_EFFORT: &str = "default";

/// The model settings of a task.
#[derive(Clone, PartialEq, Eq)]
pub struct Model {
    /// The model's name in the API.
    pub name: String,
    /// The effort, or `None` for the model's default.
    pub effort: Option<Effort>,
    /// The most output tokens, including thinking.
    pub max_tokens: u32,
}

/// The models of all tasks, in the order of [`Task::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models(pub [Model; Task::ALL.len()]);

impl Models {
    /// Returns the task's model.
    #[must_use]
    pub const fn of(&self, task: Task) -> &Model {
        let [ats, resume, keywords, letter, linkedin] = &self.0;
        match task {
            Task::AnalyzeAtsScore => ats,
            Task::OptimizeResume => resume,
            Task::ExtractKeywords => keywords,
            Task::GenerateCoverLetter => letter,
            Task::OptimizeLinkedin => linkedin,
        }
    }

    /// Returns all model names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|model| model.name.as_str())
    }
}

impl Model {
    /// Parses `MODEL:EFFORT:MAX_TOKENS`, such as `claude-sonnet-5-5:low:4096`. `EFFORT` is `low`,
    /// `medium`, `high`, or `default` to send none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (name, effort, max_tokens) = (parts.next()?, parts.next()?, parts.next()?);
        let is_name = (1..=MAX_NAME_BYTES).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@/".contains(&b));
        let max_tokens = max_tokens.parse().ok().filter(|tokens| MAX_TOKENS.contains(tokens))?;
        let model = Self { name: name.to_owned(), effort: parse_effort(effort)?, max_tokens };
        (is_name && parts.next().is_none()).then_some(model)
    }

    /// Returns the effort's name.
    #[must_use]
    pub fn effort_name(&self) -> &'static str {
        self.effort.map_or(DEFAULT_EFFORT, Effort::as_str)
    }
}

/// Formats the model as [`Model::parse`] reads it.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.effort_name(), self.max_tokens)
    }
}

fn parse_effort(text: &str) -> Option<Option<Effort>> {
    let named = || [Effort::Low, Effort::Medium, Effort::High].into_iter();
    if text == DEFAULT_EFFORT { Some(None) } else { named().find(|e| e.as_str() == text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_a_name_an_effort_and_a_token_limit() {
        let name = "claude-haiku-4-5".to_owned();
        let check = |text: &str, effort| {
            let expected = Model { name: name.clone(), effort, max_tokens: 1024 };
            assert_eq!(Model::parse(text), Some(expected), "{text}");
            assert_eq!(format!("{:?}", Model::parse(text).unwrap()), text);
        };
        check("claude-haiku-4-5:low:1024", Some(Effort::Low));
        check("claude-haiku-4-5:high:1024", Some(Effort::High));
        check("claude-haiku-4-5:default:1024", None);
    }

    #[test]
    fn malformed_models_are_rejected() {
        for text in [
            "",
            "claude-haiku-4-5",
            "claude-haiku-4-5:low",
            ":low:1024",
            "a b:low:1024",
            "a:hard:1024",
            "a::1024",
            "a:low:255",
            "a:low:32769",
            "a:low:1024:1",
        ] {
            assert_eq!(Model::parse(text), None, "{text}");
        }
    }
}
