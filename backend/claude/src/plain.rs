//! Reads a plain answer: the whole of it in one body.
//!
//! Called by [`crate::client`].

use crate::assembly::Whole;
use crate::error::ClaudeError;
use crate::http::{Reply, collected};
use crate::kind::Kind;
use crate::wire::{Block, Message};
use tokio::time::Instant;

/// The largest answer, in bytes: several times more than a model can write, thinking included.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Reads the answer from `reply` until `by`.
pub(crate) async fn read(reply: &mut Reply, by: Instant) -> Result<Whole, ClaudeError> {
    let body = collected(&mut reply.body, MAX_ANSWER_BYTES, by).await?;
    parse(&body)
}

fn parse(body: &[u8]) -> Result<Whole, ClaudeError> {
    let message: Message =
        serde_json::from_slice(body).map_err(|error| not_a("message", &error))?;
    let texts = message.content.into_iter().filter_map(|block| match block {
        Block::Text { text } => Some(text),
        Block::Other => None,
    });
    Ok(Whole {
        text: texts.collect(),
        model: message.model,
        usage: message.usage.counted(),
        stop_reason: message.stop_reason,
    })
}

/// Builds the error for unexpected JSON. It does not repeat the text, which may be an answer.
pub(crate) fn not_a(what: &str, error: &serde_json::Error) -> ClaudeError {
    let (line, column) = (error.line(), error.column());
    let found = match error.classify() {
        serde_json::error::Category::Data => "different JSON",
        serde_json::error::Category::Eof => "only part of one",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "invalid JSON",
    };
    let place = format_args!("expected a {what}, found {found} (line {line}, column {column})");
    ClaudeError::new(Kind::NotUnderstood, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop_reason::StopReason;

    #[test]
    fn texts_are_joined_and_thinking_left_out() {
        let body = r#"{"model":"m","content":[{"type":"thinking","thinking":"Hm"},
            {"type":"text","text":"a"},{"type":"text","text":"b"}],"stop_reason":"max_tokens"}"#;
        let whole = parse(body.as_bytes()).unwrap();
        assert_eq!((whole.text.as_str(), whole.stop_reason), ("ab", StopReason::MaxTokens));
    }

    #[test]
    fn a_malformed_message_is_reported_without_its_content() {
        let error = |body: &str| parse(body.as_bytes()).unwrap_err().to_string();
        insta::assert_snapshot!(error("<html>secret"), @"Claude: not_understood: expected a message, found invalid JSON (line 1, column 1)");
        insta::assert_snapshot!(error(r#"{"content":"secret"}"#), @"Claude: not_understood: expected a message, found different JSON (line 1, column 19)");
        insta::assert_snapshot!(error(r#"{"content":[{"type":"text","text":"secret"#), @"Claude: not_understood: expected a message, found only part of one (line 1, column 41)");
        insta::assert_snapshot!(error(r#"{"content":[],"stop_reason":null}"#), @"Claude: not_understood: expected a message, found different JSON (line 1, column 32)");
    }
}
