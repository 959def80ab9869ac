//! Parses the system prompt and the messages, with their cache breakpoints.

use super::blocks::{Block, Role, Ttl};
use super::fields::Fields;
use crate::refusal::Refusal;
use serde_json::Value;

/// The most prompt-cache breakpoints of a request.
const MAX_BREAKPOINTS: usize = 4;
/// The most messages: the service's limit.
const MAX_MESSAGES: usize = 100_000;

/// Parses the system prompt, a string or blocks.
pub(super) fn system(value: Option<&Value>) -> Result<Vec<Block>, Refusal> {
    value.map_or_else(|| Ok(Vec::new()), |value| blocks(value, "system"))
}

/// Parses the turns, which must begin and end with the user.
pub(super) fn messages(value: Option<&Value>) -> Result<Vec<(Role, Vec<Block>)>, Refusal> {
    let refused = |message: &str| Err(Refusal::at("messages", message));
    let turns = match value {
        None => return refused("Field required"),
        Some(Value::Array(turns)) => turns,
        Some(_) => return refused("Input should be a valid list"),
    };
    if turns.len() > MAX_MESSAGES {
        return refused("too many messages");
    }
    let turns: Result<Vec<_>, Refusal> =
        turns.iter().enumerate().map(|(index, turn)| message(turn, index)).collect();
    let turns = turns?;
    match (turns.first(), turns.last()) {
        (None, _) | (_, None) => refused("at least one message is required"),
        (Some((Role::Assistant, _)), _) => refused("first message must use the \"user\" role"),
        (_, Some((Role::Assistant, _))) => refused(
            "This model does not support assistant message prefill. \
             The conversation must end with a user message.",
        ),
        _ => Ok(turns),
    }
}

fn message(value: &Value, index: usize) -> Result<(Role, Vec<Block>), Refusal> {
    let place = format!("messages.{index}");
    let fields = Fields::of(value, &place, &["role", "content"])?;
    let role = match fields.required("role", "a valid string", Value::as_str)? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let message =
                format!("Unexpected role \"{other}\". Allowed roles are \"user\" or \"assistant\"");
            return Err(Refusal::at("messages", message));
        }
    };
    let content = fields.required("content", "a valid string or list", Some)?;
    let place = format!("{place}.content");
    let blocks = blocks(content, &place)?;
    if blocks.iter().all(|block| block.text.is_empty()) {
        return Err(Refusal::at("messages", format!("{place}: must have non-empty content")));
    }
    Ok((role, blocks))
}

fn blocks(value: &Value, place: &str) -> Result<Vec<Block>, Refusal> {
    match value {
        Value::String(text) => Ok(vec![Block { text: text.clone(), cached: None }]),
        Value::Array(blocks) => {
            let blocks = blocks.iter().enumerate();
            blocks.map(|(index, value)| block(value, &format!("{place}.{index}"))).collect()
        }
        _ => Err(Refusal::at(place, "Input should be a valid string or list")),
    }
}

fn block(value: &Value, place: &str) -> Result<Block, Refusal> {
    match value.get("type").and_then(Value::as_str) {
        Some("text") => {}
        Some(other) => {
            let message = format!("claude-sim supports only text blocks, found {other}");
            return Err(Refusal::at(place, message));
        }
        None => return Err(Refusal::at(&format!("{place}.type"), "Field required")),
    }
    let fields = Fields::of(value, place, &["type", "text", "cache_control", "citations"])?;
    let text = fields.required("text", "a valid string", Value::as_str)?.to_owned();
    let cached = fields.get("cache_control").map(|control| ttl(control, place)).transpose()?;
    if text.is_empty() {
        let what = if cached.is_some() {
            "cache_control cannot be set for empty text blocks"
        } else {
            "text content blocks must be non-empty"
        };
        return Err(Refusal::at(place, what));
    }
    Ok(Block { text, cached })
}

fn ttl(value: &Value, place: &str) -> Result<Ttl, Refusal> {
    let place = format!("{place}.cache_control");
    let fields = Fields::of(value, &place, &["type", "ttl"])?;
    if fields.required("type", "a valid string", Value::as_str)? != "ephemeral" {
        return Err(Refusal::at(&format!("{place}.type"), "Input should be 'ephemeral'"));
    }
    match fields.optional("ttl", "a valid string", Value::as_str)? {
        None | Some("5m") => Ok(Ttl::FiveMinutes),
        Some("1h") => Ok(Ttl::OneHour),
        Some(_) => Err(Refusal::at(&format!("{place}.ttl"), "Input should be '5m' or '1h'")),
    }
}

/// Checks the number and order of all breakpoints.
pub(super) fn check_breakpoints(breakpoints: &[Ttl]) -> Result<(), Refusal> {
    let count = breakpoints.len();
    if count > MAX_BREAKPOINTS {
        let message = format!(
            "A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {count}."
        );
        return Err(Refusal::new(crate::refusal::Kind::InvalidRequest, message));
    }
    let grows =
        breakpoints.windows(2).any(|pair| matches!(pair, [before, after] if before < after));
    if grows {
        let message =
            "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block";
        return Err(Refusal::at("cache_control", message));
    }
    Ok(())
}
