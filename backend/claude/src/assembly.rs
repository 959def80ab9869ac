//! Assembles a streamed answer, event by event.
//!
//! Pure; fed by [`crate::stream`].

use crate::error::ClaudeError;
use crate::kind::Kind;
use crate::stop_reason::StopReason;
use crate::usage::{Usage, WireUsage};
use crate::wire::{Block, Delta, ErrorBody, MessageDelta, Started, StreamEvent};

/// The longest text of an answer, in bytes: several times more than a model can write.
pub(crate) const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// The answer so far.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    has_begun: bool,
    text: String,
    model: String,
    usage: WireUsage,
    stop_reason: Option<StopReason>,
}

/// The result of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More of the text.
    Text(String),
    /// The answer is complete.
    Done(Whole),
}

/// A complete answer, before pricing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) text: String,
    pub(crate) model: String,
    pub(crate) usage: Usage,
    pub(crate) stop_reason: StopReason,
}

impl Assembly {
    /// Adds an event. Returns `None` if the caller has nothing to report.
    pub(crate) fn add(&mut self, event: StreamEvent) -> Result<Option<Step>, ClaudeError> {
        match event {
            StreamEvent::MessageStart { message } => self.begin(message),
            StreamEvent::ContentBlockStart { content_block: Block::Text { text } }
            | StreamEvent::ContentBlockDelta { delta: Delta::TextDelta { text } } => {
                return self.append(text);
            }
            StreamEvent::MessageDelta { delta, usage } => self.change(delta, usage),
            StreamEvent::MessageStop => return self.end().map(Some),
            StreamEvent::Error(body) => return Err(service_error(&body)),
            StreamEvent::ContentBlockStart { .. }
            | StreamEvent::ContentBlockDelta { .. }
            | StreamEvent::Other => {}
        }
        Ok(None)
    }

    /// Returns true once the message has begun.
    pub(crate) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Returns the answering model, or an empty string if it is not known yet.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// Returns the usage the service has reported so far.
    pub(crate) fn usage(&self) -> Usage {
        self.usage.counted()
    }

    fn begin(&mut self, message: Started) {
        self.has_begun = true;
        self.model = message.model;
        self.usage = message.usage;
    }

    fn append(&mut self, text: String) -> Result<Option<Step>, ClaudeError> {
        if self.text.len().saturating_add(text.len()) > MAX_TEXT_BYTES {
            let expected = format_args!("expected a text of at most {MAX_TEXT_BYTES} bytes");
            return Err(ClaudeError::new(Kind::AnswerTooLarge, expected));
        }
        self.text.push_str(&text);
        Ok((!text.is_empty()).then_some(Step::Text(text)))
    }

    fn change(&mut self, delta: MessageDelta, usage: WireUsage) {
        self.stop_reason = delta.stop_reason.or(self.stop_reason.take());
        self.usage = self.usage.updated(usage);
    }

    fn end(&mut self) -> Result<Step, ClaudeError> {
        let lacks =
            |what| ClaudeError::new(Kind::NotUnderstood, format_args!("{NO_MESSAGE} {what}"));
        if !self.has_begun {
            return Err(lacks("message_start"));
        }
        let stop_reason = self.stop_reason.take().ok_or_else(|| lacks("a stop_reason"))?;
        Ok(Step::Done(Whole {
            text: std::mem::take(&mut self.text),
            model: self.model.clone(),
            usage: self.usage(),
            stop_reason,
        }))
    }
}

const NO_MESSAGE: &str = "found message_stop in a stream without";

/// Converts an error event into an error.
fn service_error(body: &ErrorBody) -> ClaudeError {
    let kind = match body.error.is_spend_limit() {
        true => Kind::SpendLimit,
        false => Kind::from_service(None, body.error.name.as_deref()),
    };
    ClaudeError::new(kind, body.error.message()).with_request_id(body.request_id.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message",
        "role":"assistant","content":[],"model":"m","stop_reason":null,
        "usage":{"input_tokens":9,"output_tokens":1}}}"#;
    const STOP: &str = r#"{"type":"message_stop"}"#;

    fn event(json: &str) -> StreamEvent {
        serde_json::from_str(json).expect(json)
    }

    /// Adds all events and returns the result of the last.
    fn last(events: &[&str]) -> Result<Option<Step>, ClaudeError> {
        let mut assembly = Assembly::default();
        events.iter().map(|json| assembly.add(event(json))).last().unwrap()
    }

    fn text(text: &str) -> String {
        format!(
            r#"{{"type":"content_block_delta","index":1,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
        )
    }

    #[test]
    fn text_is_joined_and_thinking_left_out() {
        let (hello, there) = (text("Hel"), text("lo"));
        let done = last(&[
            START,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
            &hello,
            &there,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},
                "usage":{"output_tokens":50,"output_tokens_details":{"thinking_tokens":20}}}"#,
            STOP,
        ]);
        let usage =
            Usage { input_tokens: 9, output_tokens: 50, thinking_tokens: 20, ..Usage::default() };
        let whole = Whole {
            text: "Hello".to_owned(),
            model: "m".to_owned(),
            usage,
            stop_reason: StopReason::EndTurn,
        };
        assert_eq!(done.unwrap(), Some(Step::Done(whole)));
    }

    #[test]
    fn each_piece_of_text_is_reported_unless_empty() {
        assert_eq!(last(&[START, &text("a")]).unwrap(), Some(Step::Text("a".to_owned())));
        assert_eq!(last(&[START, &text("")]).unwrap(), None);
    }

    #[test]
    fn a_later_delta_keeps_fields_it_does_not_mention() {
        let done = last(&[
            START,
            r#"{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":5}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":null}}"#,
            STOP,
        ]);
        let Ok(Some(Step::Done(whole))) = done else { panic!("{done:?}") };
        assert_eq!((whole.stop_reason, whole.usage.output_tokens), (StopReason::Refusal, 5));
    }

    #[test]
    fn a_stop_without_a_start_or_a_reason_is_an_error() {
        let error = |events: &[&str]| last(events).unwrap_err().to_string();
        insta::assert_snapshot!(error(&[STOP]), @"Claude: not_understood: found message_stop in a stream without message_start");
        insta::assert_snapshot!(error(&[START, STOP]), @"Claude: not_understood: found message_stop in a stream without a stop_reason");
    }

    #[test]
    fn an_error_event_becomes_its_error() {
        let check =
            |json: &str, kind| assert_eq!(last(&[json]).unwrap_err().kind(), kind, "{json}");
        check(
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            Kind::Overloaded,
        );
        check(r#"{"type":"error","error":{"type":"some_new_error"}}"#, Kind::Service);
        check(
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"",
                "details":{"error_code":"enforced_spend_limit_reached"}}}"#,
            Kind::SpendLimit,
        );
    }

    #[test]
    fn an_endless_text_is_rejected() {
        let mebibyte = text(&"x".repeat(1024 * 1024));
        let events = [START, &mebibyte, &mebibyte, &mebibyte, &mebibyte];
        assert!(last(&events).is_ok());
        let x = text("x");
        let one_more = [events.as_slice(), &[&x]].concat();
        assert_eq!(last(&one_more).unwrap_err().kind(), Kind::AnswerTooLarge);
    }
}
