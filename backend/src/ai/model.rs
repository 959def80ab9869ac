//! Which model does a task, how hard it thinks, and how much it may write.
//!
//! Read from the environment by [`crate::config`], one variable for each task.

use super::task::Task;
use claude::Effort;
use std::fmt;
use std::ops::RangeInclusive;

/// What one answer may take at the most, in output tokens, thinking included.
const MAX_TOKENS: RangeInclusive<u32> = 256..=32_768;
/// The longest name of a model.
const MAX_NAME_BYTES: usize = 100;
/// What the effort is called where none is sent: older models know none.
const UNSAID: &str = "default";

/// How a task is done.
#[derive(Clone, PartialEq, Eq)]
pub struct Model {
    /// The model's name, as the API has it.
    pub name: String,
    /// How hard it thinks; the model's own measure unless said.
    pub effort: Option<Effort>,
    /// The most output tokens, thinking included.
    pub max_tokens: u32,
}

/// The model of each task, in the order of [`Task::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models(pub [Model; Task::ALL.len()]);

impl Models {
    /// The task's.
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

    /// All models' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|model| model.name.as_str())
    }
}

impl Model {
    /// What `text` says: `MODEL:EFFORT:MAX_TOKENS`, as in `claude-sonnet-5-5:low:4096`. `EFFORT` is
    /// `low`, `medium`, `high`, or `default` to send none.
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

    /// The effort's name.
    #[must_use]
    pub fn effort_name(&self) -> &'static str {
        self.effort.map_or(UNSAID, Effort::as_str)
    }
}

/// As [`Model::parse`] reads it.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.effort_name(), self.max_tokens)
    }
}

fn parse_effort(text: &str) -> Option<Option<Effort>> {
    let named = || [Effort::Low, Effort::Medium, Effort::High].into_iter();
    if text == UNSAID { Some(None) } else { named().find(|e| e.as_str() == text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_a_name_an_effort_and_a_bound() {
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
    fn what_is_no_model_is_refused() {
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
