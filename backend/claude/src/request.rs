//! Requests and their JSON.
//!
//! Passed to [`crate::Client`]. The models of 2026 answer sampling parameters, prefilled answers
//! and forced tools with 400, so there are no fields for them.

use crate::error::printable;
use serde::Serialize;
use serde_json::Value;
use std::str::FromStr;

/// A request to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The model's name.
    pub model: String,
    /// The longest answer, in tokens, thinking included.
    pub max_tokens: u32,
    /// The effort to spend; the model's default if `None`.
    pub effort: Option<Effort>,
    /// The system prompt: the stable parts of the prompt, in order.
    pub system: Vec<System>,
    /// The only message, sent as the user.
    pub content: String,
    /// The JSON Schema of the answer; free text if `None`. Objects in it need
    /// `additionalProperties: false`. The service does not enforce ranges and lengths.
    pub schema: Option<Value>,
    /// The end user, as an opaque id without personal data. Users share the client's slots fairly.
    pub user_id: Option<String>,
}

/// A part of the system prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// The text.
    pub text: String,
    /// True to let the service cache the prompt up to here for an hour. Cached input costs a tenth
    /// of the price. At most four parts can be cached.
    pub cached: bool,
}

/// The effort a model spends on its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// As little as suffices.
    Low,
    /// A moderate effort.
    Medium,
    /// A thorough effort.
    High,
}

impl Effort {
    /// Returns the name used in the request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The error for an unknown [`Effort`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an effort of low, medium or high, found \"{0}\"")]
pub struct BadEffort(String);

impl FromStr for Effort {
    type Err = BadEffort;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let all = [Self::Low, Self::Medium, Self::High];
        let known = all.into_iter().find(|effort| effort.as_str() == name);
        known.ok_or_else(|| BadEffort(printable(name)))
    }
}

impl Request {
    /// Builds the body of the HTTP request.
    pub(crate) fn to_json(&self, stream: bool) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Body {
            model: &self.model,
            max_tokens: self.max_tokens,
            system: self.system.iter().map(Part::of).collect(),
            messages: [Message { role: "user", content: &self.content }],
            output_config: OutputConfig::of(self),
            metadata: self.user_id.as_deref().map(|user_id| Metadata { user_id }),
            stream,
        })
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Part<'a>>,
    messages: [Message<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "text")]
struct Part<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "ephemeral")]
struct CacheControl {
    ttl: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_schema")]
struct Format<'a> {
    schema: &'a Value,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

impl<'a> Part<'a> {
    fn of(system: &'a System) -> Self {
        let cache_control = system.cached.then_some(CacheControl { ttl: "1h" });
        Self { text: &system.text, cache_control }
    }
}

impl<'a> OutputConfig<'a> {
    fn of(request: &'a Request) -> Option<Self> {
        let format = request.schema.as_ref().map(|schema| Format { schema });
        let is_needed = request.effort.is_some() || format.is_some();
        is_needed.then_some(Self { effort: request.effort, format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(request: &Request, stream: bool) -> String {
        String::from_utf8(request.to_json(stream).unwrap()).unwrap()
    }

    fn plain() -> Request {
        Request {
            model: "claude-haiku-5-5".to_owned(),
            max_tokens: 64,
            effort: None,
            system: Vec::new(),
            content: "Which way?".to_owned(),
            schema: None,
            user_id: None,
        }
    }

    #[test]
    fn unset_fields_are_not_sent() {
        insta::assert_snapshot!(body(&plain(), false), @r#"{"model":"claude-haiku-5-5","max_tokens":64,"messages":[{"role":"user","content":"Which way?"}]}"#);
        insta::assert_snapshot!(body(&plain(), true), @r#"{"model":"claude-haiku-5-5","max_tokens":64,"messages":[{"role":"user","content":"Which way?"}],"stream":true}"#);
    }

    #[test]
    fn all_fields_are_sent_in_the_services_format() {
        let system = |text: &str, cached| System { text: text.to_owned(), cached };
        let request = Request {
            effort: Some(Effort::Low),
            system: vec![system("Be fair.", true), system("In \"French\".", false)],
            schema: Some(json!({"type": "object", "additionalProperties": false})),
            user_id: Some("u1".to_owned()),
            ..plain()
        };
        insta::assert_snapshot!(body(&request, false), @r#"{"model":"claude-haiku-5-5","max_tokens":64,"system":[{"type":"text","text":"Be fair.","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"In \"French\"."}],"messages":[{"role":"user","content":"Which way?"}],"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"additionalProperties":false,"type":"object"}}},"metadata":{"user_id":"u1"}}"#);
    }

    #[test]
    fn an_effort_has_one_name() {
        for effort in [Effort::Low, Effort::Medium, Effort::High] {
            assert_eq!(serde_json::to_value(effort).unwrap(), effort.as_str());
            assert_eq!(effort.as_str().parse(), Ok(effort));
        }
        insta::assert_snapshot!("High".parse::<Effort>().unwrap_err(), @r#"expected an effort of low, medium or high, found "High""#);
    }
}
