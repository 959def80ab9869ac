//! A model's answer, whole or as it arrives.
//!
//! Returned by [`crate::Client`].

use crate::stop_reason::StopReason;
use crate::usage::Usage;
use serde::{Deserialize, Serialize};

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The text; JSON if the request had a schema. Thinking is left out.
    pub text: String,
    /// The reason it ended. Only a [complete](StopReason::is_complete) answer fits its schema.
    pub stop_reason: StopReason,
    /// The model that answered.
    pub model: String,
    /// The tokens used.
    pub usage: Usage,
    /// The service's id for the request, if it sent one. Quote it to Anthropic's support.
    pub request_id: Option<String>,
    /// The cost in millionths of a dollar; 0 if [`crate::Prices`] lacks the model.
    pub cost_micro_usd: u64,
}

/// An event of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// More of the text.
    Text(String),
    /// The whole answer. Always the last event.
    Done(Answer),
}

impl Answer {
    /// Returns the call's outcome, as labeled in metrics.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self.stop_reason {
            StopReason::EndTurn => "ok",
            StopReason::MaxTokens => "max_tokens",
            StopReason::StopSequence => "stop_sequence",
            StopReason::ToolUse => "tool_use",
            StopReason::PauseTurn => "pause_turn",
            StopReason::Refusal => "refusal",
            StopReason::ModelContextWindowExceeded => "model_context_window_exceeded",
            StopReason::Other(_) => "other_stop_reason",
        }
    }
}
