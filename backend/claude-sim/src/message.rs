//! Formats an answer like the service does: as a plain message or as events.
//!
//! Called by [`crate::routes::messages`].

use crate::answer::{Answer, Stop};
use crate::prompt_cache::Input;
use crate::refusal::error_body;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The most words in a delta.
const DELTA_WORDS: usize = 4;
/// The most characters in a delta, for texts without spaces.
const DELTA_CHARS: usize = 32;

/// An answer with its metadata.
#[derive(Debug, Clone)]
pub(crate) struct Message<'a> {
    /// The message's id.
    pub id: String,
    /// The model's name.
    pub model: &'a str,
    /// The token counts of the input.
    pub input: Input,
    /// The answer.
    pub answer: Answer,
}

impl Message<'_> {
    /// Returns the plain message.
    #[must_use]
    pub(crate) fn whole(&self) -> Value {
        let answer = &self.answer;
        let thinking = answer.thinking.as_ref().map(|thinking| {
            json!({ "type": "thinking", "thinking": thinking, "signature": self.signature() })
        });
        let text = answer.text.as_ref().map(|text| json!({ "type": "text", "text": text }));
        let content: Vec<Value> = thinking.into_iter().chain(text).collect();
        self.envelope(&content, &self.end(), self.usage(answer.output_tokens, true))
    }

    /// Returns the events, each in wire format.
    #[must_use]
    pub(crate) fn events(&self) -> Vec<String> {
        let no_end = json!({ "stop_reason": null, "stop_sequence": null, "stop_details": null });
        let start = self.envelope(&[], &no_end, self.usage(1, false));
        let mut events = vec![event("message_start", json!({ "message": start }))];
        let mut index = 0;
        if let Some(thinking) = &self.answer.thinking {
            let block = json!({ "type": "thinking", "thinking": "", "signature": "" });
            let mut deltas: Vec<Value> = pieces(thinking)
                .map(|piece| json!({ "type": "thinking_delta", "thinking": piece }))
                .collect();
            deltas.push(json!({ "type": "signature_delta", "signature": self.signature() }));
            add_block(&mut events, index, &block, deltas);
            index += 1;
        }
        if let Some(text) = &self.answer.text {
            let block = json!({ "type": "text", "text": "" });
            let deltas = pieces(text).map(|piece| json!({ "type": "text_delta", "text": piece }));
            add_block(&mut events, index, &block, deltas.collect());
        }
        let usage = self.usage(self.answer.output_tokens, true);
        events.push(event("message_delta", json!({ "delta": self.end(), "usage": usage })));
        events.push(event("message_stop", json!({})));
        events
    }

    fn envelope(&self, content: &[Value], end: &Value, usage: Value) -> Value {
        let mut message = json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "usage": usage,
        });
        merge(&mut message, end);
        message
    }

    fn end(&self) -> Value {
        let details = (self.answer.stop == Stop::Refusal)
            .then(|| json!({ "type": "refusal", "category": null, "explanation": null }));
        json!({
            "stop_reason": self.answer.stop,
            "stop_sequence": self.answer.stop_sequence,
            "stop_details": details,
        })
    }

    fn usage(&self, output_tokens: u64, with_details: bool) -> Value {
        let mut usage = json!({
            "input_tokens": self.input.plain,
            "cache_creation_input_tokens": self.input.created_5m + self.input.created_1h,
            "cache_read_input_tokens": self.input.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.input.created_5m,
                "ephemeral_1h_input_tokens": self.input.created_1h,
            },
            "output_tokens": output_tokens,
            "service_tier": "standard",
        });
        if with_details {
            let thinking = json!({ "thinking_tokens": self.answer.thinking_tokens });
            merge(&mut usage, &json!({ "output_tokens_details": thinking }));
        }
        usage
    }

    /// Returns a placeholder for the service's signature of the thinking.
    fn signature(&self) -> String {
        format!("claude-sim-{}", self.id)
    }
}

/// Formats an event with its name, which is repeated in its data.
#[must_use]
pub(crate) fn event(name: &str, mut data: Value) -> String {
    merge(&mut data, &json!({ "type": name }));
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _never = write!(text, "event: {name}\ndata: {data}\n\n");
    text
}

/// Formats the event of an error after the answer has begun.
#[must_use]
pub(crate) fn error_event(
    name: &str,
    message: &str,
    details: Option<&Value>,
    request_id: &str,
) -> String {
    event("error", error_body(name, message, details, request_id))
}

/// Adds a block's events, with a ping after the start of the first block.
fn add_block(events: &mut Vec<String>, index: usize, block: &Value, deltas: Vec<Value>) {
    let start = json!({ "index": index, "content_block": block });
    events.push(event("content_block_start", start));
    if index == 0 {
        events.push(event("ping", json!({})));
    }
    for delta in deltas {
        events.push(event("content_block_delta", json!({ "index": index, "delta": delta })));
    }
    events.push(event("content_block_stop", json!({ "index": index })));
}

/// Splits `text` into pieces of a few words each.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at_checked(end_of_piece(rest))?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn end_of_piece(text: &str) -> usize {
    let mut words = 0;
    for (chars, (at, c)) in text.char_indices().enumerate() {
        words += usize::from(c == ' ');
        if words == DELTA_WORDS || chars == DELTA_CHARS {
            return at;
        }
    }
    text.len()
}

fn merge(value: &mut Value, more: &Value) {
    if let (Some(members), Some(more)) = (value.as_object_mut(), more.as_object()) {
        members.extend(more.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_short_and_join_to_the_text() {
        for text in ["", "one", " a b c d e f g h", &"é".repeat(100), "a\n\nb  c    d"] {
            let pieces: Vec<&str> = pieces(text).collect();
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| !piece.is_empty()));
            assert!(pieces.iter().all(|piece| piece.chars().count() <= DELTA_CHARS), "{pieces:?}");
        }
    }
}
