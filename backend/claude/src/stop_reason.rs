//! The reason an answer ended.
//!
//! Part of an [`crate::Answer`].

use serde::{Deserialize, Serialize};

/// The reason the model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum StopReason {
    /// The answer is complete.
    EndTurn,
    /// The answer reached [`crate::Request::max_tokens`] and is truncated.
    MaxTokens,
    /// The model generated a stop sequence.
    StopSequence,
    /// The model wants to use a tool.
    ToolUse,
    /// The model paused a long turn.
    PauseTurn,
    /// The model refuses to answer.
    Refusal,
    /// Prompt and answer exceed the model's context window. The answer is truncated.
    ModelContextWindowExceeded,
    /// A reason unknown to this client.
    Other(String),
}

impl StopReason {
    /// Returns true if the answer is complete. Only complete answers are worth caching.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        *self == Self::EndTurn
    }

    /// Returns the name used in the response.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::EndTurn => "end_turn",
            Self::MaxTokens => "max_tokens",
            Self::StopSequence => "stop_sequence",
            Self::ToolUse => "tool_use",
            Self::PauseTurn => "pause_turn",
            Self::Refusal => "refusal",
            Self::ModelContextWindowExceeded => "model_context_window_exceeded",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for StopReason {
    fn from(name: String) -> Self {
        match name.as_str() {
            "end_turn" => Self::EndTurn,
            "max_tokens" => Self::MaxTokens,
            "stop_sequence" => Self::StopSequence,
            "tool_use" => Self::ToolUse,
            "pause_turn" => Self::PauseTurn,
            "refusal" => Self::Refusal,
            "model_context_window_exceeded" => Self::ModelContextWindowExceeded,
            _ => Self::Other(name),
        }
    }
}

impl From<StopReason> for String {
    fn from(reason: StopReason) -> Self {
        reason.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_round_trips_by_its_name() {
        let names = "end_turn max_tokens stop_sequence tool_use pause_turn refusal \
                     model_context_window_exceeded some_new_one";
        for name in names.split_whitespace() {
            let reason = StopReason::from(name.to_owned());
            assert_eq!(reason.as_str(), name);
            assert_eq!(matches!(reason, StopReason::Other(_)), name == "some_new_one");
            assert_eq!(reason.is_complete(), name == "end_turn");
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(serde_json::from_str::<StopReason>(&json).unwrap(), reason);
        }
    }
}
