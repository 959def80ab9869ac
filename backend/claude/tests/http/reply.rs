//! The test server's replies, byte for byte.

use serde_json::{Value, json};

/// A reply: its bytes, and the action after sending them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
}

/// The server's action after sending a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Closes the connection.
    Close,
    /// Neither sends more nor closes the connection.
    Hang,
    /// Reads the next request.
    KeepAlive,
}

/// A header's name and value.
pub(crate) type Header<'a> = (&'a str, &'a str);

impl Reply {
    /// Builds any response.
    pub(crate) fn new(status: u16, headers: &[Header<'_>], body: &str) -> Self {
        let mut head = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        Self { bytes: format!("{head}\r\n{body}").into_bytes(), then: Then::KeepAlive }
    }

    /// Sends nothing and keeps the connection open.
    pub(crate) fn silence() -> Self {
        Self { bytes: Vec::new(), then: Then::Hang }
    }

    /// Closes the connection without sending anything.
    pub(crate) fn hang_up() -> Self {
        Self { bytes: Vec::new(), then: Then::Close }
    }

    /// Builds a plain answer with this text.
    pub(crate) fn text(text: &str) -> Self {
        Self::message(&message(text), &[])
    }

    /// Builds a plain answer from its JSON.
    pub(crate) fn message(message: &Value, headers: &[Header<'_>]) -> Self {
        let headers = [&[("request-id", "req_1")], headers].concat();
        Self::new(200, &headers, &message.to_string())
    }

    /// Builds an error of this type.
    pub(crate) fn error(status: u16, name: &str, headers: &[Header<'_>]) -> Self {
        let error = json!({"type": name, "message": format!("This is {name}.")});
        Self::error_object(status, &error, headers)
    }

    /// Builds an error from the JSON of its `error` object.
    pub(crate) fn error_object(status: u16, error: &Value, headers: &[Header<'_>]) -> Self {
        let body = json!({"type": "error", "error": error, "request_id": "req_1"});
        Self::new(status, headers, &body.to_string())
    }

    /// Builds the 429 that lasts until the end of the month.
    pub(crate) fn spent() -> Self {
        let details = json!({"error_code": "enforced_spend_limit_reached"});
        let error = json!({"type": "rate_limit_error", "message": "Spent.", "details": details});
        Self::error_object(429, &error, &[])
    }

    /// Builds a complete stream of these events.
    pub(crate) fn stream(events: &[Value]) -> Self {
        let mut reply = Self::open_stream(events);
        reply.bytes.extend(b"0\r\n\r\n");
        Self { then: Then::KeepAlive, ..reply }
    }

    /// Builds a stream of these events that stays open.
    pub(crate) fn open_stream(events: &[Value]) -> Self {
        let head = "HTTP/1.1 200 OK\r\nrequest-id: req_1\r\ntransfer-encoding: chunked\r\n\
                    content-type: text/event-stream; charset=utf-8\r\n\r\n";
        let mut bytes = head.as_bytes().to_vec();
        for event in events {
            let name = event["type"].as_str().unwrap_or("some_event");
            let text = format!("event: {name}\ndata: {event}\n\n");
            bytes.extend(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes());
        }
        Self { bytes, then: Then::Hang }
    }

    /// Changes the action after sending.
    pub(crate) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

/// Returns the JSON of a plain answer.
pub(crate) fn message(text: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 1000, "output_tokens": 100},
    })
}

/// Returns the first event of a stream.
pub(crate) fn start() -> Value {
    let usage = json!({"input_tokens": 1000, "output_tokens": 1});
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message",
           "role": "assistant", "model": "claude-haiku-5-5", "content": [], "stop_reason": null,
           "usage": usage}})
}

/// Returns an event with more of the text.
pub(crate) fn more(text: &str) -> Value {
    json!({"type": "content_block_delta", "index": 0,
           "delta": {"type": "text_delta", "text": text}})
}

/// Returns the event with the stop reason, the last but one.
pub(crate) fn stop(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
           "usage": {"output_tokens": 100}})
}

/// Returns the last event.
pub(crate) fn end() -> Value {
    json!({"type": "message_stop"})
}

/// Returns an event without further members.
pub(crate) fn event(name: &str) -> Value {
    json!({"type": name})
}

/// Returns the events of a complete stream with this text.
pub(crate) fn saying(text: &str) -> Vec<Value> {
    vec![start(), more(text), stop("end_turn"), end()]
}
