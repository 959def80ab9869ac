//! What a model answered.
//!
//! Returned by [`crate::Client`].

use crate::stop_reason::StopReason;
use crate::usage::Usage;
use serde::{Deserialize, Serialize};

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What it says; JSON where the request had a schema. Thinking is not part of it.
    pub text: String,
    /// Why it ends. Only an answer that [is complete](StopReason::is_complete) fits its schema.
    pub stop_reason: StopReason,
    /// The model that answered.
    pub model: String,
    /// What it used.
    pub usage: Usage,
    /// The service's name for the request, if it gave one: what its support asks for.
    pub request_id: Option<String>,
    /// What it cost, in millionths of a dollar; 0 where [`crate::Prices`] lack the model.
    pub cost_micro_usd: u64,
}

/// A part of an answer as it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// More of the text.
    Text(String),
    /// The whole of it, last.
    Done(Answer),
}

impl Answer {
    /// The outcome of its call, in metrics.
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
