//! The service's JSON: messages, stream events and errors.
//!
//! Unknown fields, blocks and events are ignored, since the service may add some at any time. Read
//! by [`crate::plain`] and [`crate::assembly`].

use crate::stop_reason::StopReason;
use crate::usage::WireUsage;
use serde::Deserialize;
use serde_json::Value;

/// The `error_code` of a 429 that lasts until the end of the month.
const SPEND_LIMIT: &str = "enforced_spend_limit_reached";

/// A plain answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    #[serde(default)]
    pub(crate) model: String,
    pub(crate) content: Vec<Block>,
    pub(crate) stop_reason: StopReason,
    #[serde(default)]
    pub(crate) usage: WireUsage,
}

/// A part of an answer. Thinking comes before the text.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    #[serde(other)]
    Other,
}

/// A stream event.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum StreamEvent {
    MessageStart {
        message: Started,
    },
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    MessageDelta {
        delta: MessageDelta,
        #[serde(default)]
        usage: WireUsage,
    },
    MessageStop,
    Error(ErrorBody),
    #[serde(other)]
    Other,
}

/// The message at the start of its stream.
#[derive(Debug, Deserialize)]
pub(crate) struct Started {
    #[serde(default)]
    pub(crate) model: String,
    #[serde(default)]
    pub(crate) usage: WireUsage,
}

/// An addition to a block.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Delta {
    TextDelta {
        text: String,
    },
    #[serde(other)]
    Other,
}

/// A change to the message itself.
#[derive(Debug, Deserialize)]
pub(crate) struct MessageDelta {
    pub(crate) stop_reason: Option<StopReason>,
}

/// An error, as a response body or a stream event.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) error: ServiceError,
    pub(crate) request_id: Option<String>,
}

/// The details of an error.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ServiceError {
    #[serde(rename = "type")]
    pub(crate) name: Option<String>,
    message: Option<String>,
    details: Option<Value>,
}

impl ServiceError {
    /// Returns true if the monthly spend limit is reached.
    pub(crate) fn is_spend_limit(&self) -> bool {
        let code = self.details.as_ref().and_then(|details| details.get("error_code"));
        code.and_then(Value::as_str) == Some(SPEND_LIMIT)
    }

    /// Returns the human-readable message.
    pub(crate) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or("(no message)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> StreamEvent {
        serde_json::from_str(json).expect(json)
    }

    #[test]
    fn unknown_fields_blocks_and_events_are_ignored() {
        let message: Message = serde_json::from_str(
            r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","new":{"a":[1]},
                "content":[{"type":"thinking","thinking":"Hm","signature":"x"},
                           {"type":"text","text":"Yes","citations":null},
                           {"type":"some_new_block","data":[1,2]}],
                "stop_reason":"end_turn","stop_sequence":null,"usage":{"new":1}}"#,
        )
        .unwrap();
        assert!(matches!(
            message.content.as_slice(),
            [Block::Other, Block::Text { text }, Block::Other] if text == "Yes"
        ));
        for json in [
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"some_new_event","with":{"a":"field"}}"#,
        ] {
            assert!(matches!(event(json), StreamEvent::Other), "{json}");
        }
        for name in ["thinking_delta", "signature_delta", "input_json_delta", "citations_delta"] {
            let json = format!(
                r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"{name}","x":{{}}}}}}"#
            );
            let found = event(&json);
            assert!(
                matches!(found, StreamEvent::ContentBlockDelta { delta: Delta::Other }),
                "{found:?}"
            );
        }
    }

    #[test]
    fn the_spend_limit_is_recognized_by_its_code() {
        let check = |details: &str, expected: bool| {
            let json = format!(
                r#"{{"type":"error","error":{{"type":"rate_limit_error","message":"m"{details}}}}}"#
            );
            let body: ErrorBody = serde_json::from_str(&json).expect(&json);
            assert_eq!(body.error.is_spend_limit(), expected, "{json}");
        };
        check("", false);
        check(r#","details":null"#, false);
        check(r#","details":{}"#, false);
        check(r#","details":"enforced_spend_limit_reached""#, false);
        check(r#","details":{"error_code":"another"}"#, false);
        check(r#","details":{"error_code":"enforced_spend_limit_reached"}"#, true);
        check(r#","details":{"error_code":"enforced_spend_limit_reached","limit":5}"#, true);
    }
}
