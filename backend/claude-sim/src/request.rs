//! Validates a request like the service would, and parses it into types that cannot be wrong.
//!
//! Called by `crate::routes::messages`. Features of the service that are not simulated (tools,
//! images) are refused with a message that says so.

mod blocks;
mod fields;
mod headers;
mod parts;

pub use blocks::{Block, Role, Ttl};
pub use headers::check as check_headers;

use crate::canonical::sorted;
use crate::refusal::{Kind, Refusal};
use crate::schema::{self, Schema};
use fields::Fields;
use parts::{check_breakpoints, messages, system};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The most stop sequences.
const MAX_STOP_SEQUENCES: usize = 16;
/// The most characters of `metadata.user_id`.
const MAX_USER_ID_CHARS: usize = 256;
/// The limit of `max_tokens` by prefix of the model's name. The first match counts.
const MAX_TOKENS: [(&str, u64); 2] = [("claude-haiku-4", 64_000), ("claude-", 128_000)];
/// All known members. [`unsupported`] refuses some of them.
const KNOWN: [&str; 16] = [
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "output_config",
    "service_tier",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "inference_geo",
];
/// Members that do not affect the answer's content.
const NOT_IN_SEED: [&str; 4] = ["max_tokens", "metadata", "service_tier", "stream"];

/// A valid request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The model's name.
    pub model: String,
    /// The most tokens of the answer, at least 1.
    pub max_tokens: u64,
    /// The system prompt.
    pub system: Vec<Block>,
    /// The turns of the conversation: roles and their blocks.
    pub messages: Vec<(Role, Vec<Block>)>,
    /// The schema of the answer, if it must be JSON.
    pub schema: Option<Schema>,
    /// The schema as received. It counts toward the input tokens.
    pub schema_text: String,
    /// True if the answer is streamed.
    pub stream: bool,
    /// Texts that end the answer.
    pub stop_sequences: Vec<String>,
    /// True if the request asks for thinking.
    pub thinks: bool,
    /// The hash of all members that affect the answer.
    pub seed: u64,
}

impl Request {
    /// Parses a request body.
    ///
    /// # Errors
    /// Fails with the first error found in it.
    pub fn parse(body: &Value) -> Result<Self, Refusal> {
        let fields = Fields::of(body, "", &KNOWN)?;
        let model = fields.required("model", "a string", Value::as_str)?.to_owned();
        let max_tokens = max_tokens(&fields, &model)?;
        let messages = messages(fields.get("messages"))?;
        let system = system(fields.get("system"))?;
        check_breakpoints(&breakpoints(&system, &messages))?;
        unsupported(&fields)?;
        metadata(&fields)?;
        let thinks = thinks(&fields)?;
        let (schema, schema_text) = output(&fields)?;
        if !model.starts_with("claude-") {
            return Err(Refusal::new(Kind::NotFound, format!("model: {model}")));
        }
        Ok(Self {
            model,
            max_tokens,
            system,
            messages,
            schema,
            schema_text,
            stream: fields.optional("stream", "a boolean", Value::as_bool)?.unwrap_or(false),
            stop_sequences: stop_sequences(&fields)?,
            thinks,
            seed: seed(body),
        })
    }

    /// Returns the user's texts, turn by turn.
    #[must_use]
    pub fn user_text(&self) -> String {
        let turns = self.messages.iter().filter(|(role, _)| *role == Role::User);
        let texts = turns.flat_map(|(_, blocks)| blocks).map(|block| block.text.as_str());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Returns all blocks, in the order that prompt caching counts them.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.system.iter().chain(self.messages.iter().flat_map(|(_, blocks)| blocks))
    }
}

fn max_tokens(fields: &Fields<'_>, model: &str) -> Result<u64, Refusal> {
    let tokens = fields.required("max_tokens", "a valid integer", Value::as_i64)?;
    let Some(tokens) = u64::try_from(tokens).ok().filter(|tokens| *tokens > 0) else {
        return Err(Refusal::at("max_tokens", "Input should be greater than or equal to 1"));
    };
    let most = MAX_TOKENS.iter().find(|(name, _)| model.starts_with(name));
    match most {
        Some((_, most)) if tokens > *most => Err(Refusal::at(
            "max_tokens",
            format!(
                "{tokens} > {most}, which is the maximum allowed number of output tokens for {model}"
            ),
        )),
        _ => Ok(tokens),
    }
}

/// Refuses members that current models or this simulator do not support.
fn unsupported(fields: &Fields<'_>) -> Result<(), Refusal> {
    for name in ["temperature", "top_p", "top_k"] {
        if fields.get(name).is_some() {
            return Err(Refusal::at(name, "sampling parameters are not supported by this model"));
        }
    }
    if let Some(choice) = fields.get("tool_choice") {
        let forced = ["any", "tool"].iter().any(|kind| choice.get("type") == Some(&(*kind).into()));
        let what = if forced {
            "forced tool use is not supported by this model"
        } else {
            "claude-sim does not simulate tools"
        };
        return Err(Refusal::at("tool_choice", what));
    }
    match fields.get("tools") {
        Some(tools) if *tools != Value::Array(Vec::new()) => {
            Err(Refusal::at("tools", "claude-sim does not simulate tools"))
        }
        _ => Ok(()),
    }
}

fn metadata(fields: &Fields<'_>) -> Result<(), Refusal> {
    let Some(metadata) = fields.get("metadata") else { return Ok(()) };
    let metadata = Fields::of(metadata, "metadata", &["user_id"])?;
    match metadata.optional("user_id", "a valid string", Value::as_str)? {
        Some(id) if id.chars().count() > MAX_USER_ID_CHARS => Err(Refusal::at(
            "metadata.user_id",
            format!("String should have at most {MAX_USER_ID_CHARS} characters"),
        )),
        _ => Ok(()),
    }
}

/// Returns true if the request asks for thinking.
fn thinks(fields: &Fields<'_>) -> Result<bool, Refusal> {
    let Some(thinking) = fields.get("thinking") else { return Ok(false) };
    if thinking.get("budget_tokens").is_some() {
        return Err(Refusal::at(
            "thinking.budget_tokens",
            "thinking budgets are not supported by this model. Use `output_config.effort`",
        ));
    }
    match thinking.get("type").and_then(Value::as_str) {
        Some("adaptive") => Ok(true),
        Some("enabled" | "disabled") => Err(Refusal::at(
            "thinking.type",
            "this model takes `adaptive` only. Use `output_config.effort`",
        )),
        _ => Err(Refusal::at("thinking.type", "Input should be 'adaptive'")),
    }
}

/// Returns the schema of the answer, and its text.
fn output(fields: &Fields<'_>) -> Result<(Option<Schema>, String), Refusal> {
    let none = (None, String::new());
    let Some(config) = fields.get("output_config") else { return Ok(none) };
    let config = Fields::of(config, "output_config", &["effort", "format"])?;
    let efforts = ["low", "medium", "high", "xhigh", "max"];
    if let Some(effort) = config.optional("effort", "a valid string", Value::as_str)?
        && !efforts.contains(&effort)
    {
        let message = "Input should be 'low', 'medium', 'high', 'xhigh' or 'max'";
        return Err(Refusal::at("output_config.effort", message));
    }
    let Some(format) = config.get("format") else { return Ok(none) };
    let format = Fields::of(format, "output_config.format", &["type", "schema"])?;
    if format.required("type", "a valid string", Value::as_str)? != "json_schema" {
        return Err(Refusal::at("output_config.format.type", "Input should be 'json_schema'"));
    }
    let described = format.required("schema", "a valid object", Some)?;
    let schema = schema::parse(described)
        .map_err(|error| Refusal::at("output_config.format.schema", error))?;
    Ok((Some(schema), described.to_string()))
}

fn stop_sequences(fields: &Fields<'_>) -> Result<Vec<String>, Refusal> {
    let sequences = fields.optional("stop_sequences", "a valid list", Value::as_array)?;
    let sequences = sequences.map_or(&[][..], Vec::as_slice);
    if sequences.len() > MAX_STOP_SEQUENCES {
        let message = format!("List should have at most {MAX_STOP_SEQUENCES} items");
        return Err(Refusal::at("stop_sequences", message));
    }
    let text = |(index, sequence): (usize, &Value)| match sequence.as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(Refusal::at(
            &format!("stop_sequences.{index}"),
            "each stop sequence must contain non-whitespace",
        )),
    };
    sequences.iter().enumerate().map(text).collect()
}

fn breakpoints(system: &[Block], messages: &[(Role, Vec<Block>)]) -> Vec<Ttl> {
    let blocks = system.iter().chain(messages.iter().flat_map(|(_, blocks)| blocks));
    blocks.filter_map(|block| block.cached).collect()
}

/// Returns the first eight bytes of the hash of all members that affect the answer.
fn seed(body: &Value) -> u64 {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !NOT_IN_SEED.contains(&name.as_str()));
    }
    let hash = Sha256::digest(sorted(&body).to_string());
    hash.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}
