//! The error of a failed call.
//!
//! Returned by [`crate::Client`] and its streams; made where the failure is detected.

use crate::kind::Kind;
use std::fmt;
use std::time::Duration;

/// The longest foreign text an error repeats, in bytes.
const MAX_MESSAGE_BYTES: usize = 300;

/// The error of a failed call. It never contains the API key. It contains parts of the prompt only
/// if the service's message repeats them.
#[derive(Debug, Clone)]
pub struct ClaudeError {
    kind: Kind,
    status: Option<u16>,
    message: Box<str>,
    request_id: Option<Box<str>>,
    retry_after: Option<Duration>,
    /// The service's explicit advice on retrying, whatever the status.
    should_retry: Option<bool>,
    attempts: u32,
}

impl ClaudeError {
    /// Builds an error. The message is cut to one printable line.
    pub(crate) fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            status: None,
            message: printable(&message.to_string()).into(),
            request_id: None,
            retry_after: None,
            should_retry: None,
            attempts: 0,
        }
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    pub(crate) fn with_request_id(self, request_id: Option<&str>) -> Self {
        let request_id = request_id.map(Into::into).or(self.request_id);
        Self { request_id, ..self }
    }

    pub(crate) fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    pub(crate) fn with_should_retry(self, should_retry: Option<bool>) -> Self {
        Self { should_retry, ..self }
    }

    pub(crate) fn with_attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Returns the kind of failure.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the HTTP status, if the service responded.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns the details, in one line of at most 300 bytes. For an error sent by the service,
    /// this is the service's message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the service's id for the request, if it sent one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns how long to wait before sending the same request again, if known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns how often the request was sent; 0 if it never was.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) const fn should_retry(&self) -> Option<bool> {
        self.should_retry
    }

    /// Returns true if the same request may succeed later without any change.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.kind.is_passing()
    }
}

impl std::error::Error for ClaudeError {}

impl fmt::Display for ClaudeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claude: {}: {}", self.kind.as_str(), self.message)?;
        if let Some(status) = self.status {
            write!(f, "; status {status}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, "; request {id}")?;
        }
        if self.attempts > 1 {
            write!(f, "; sent {} times", self.attempts)?;
        }
        match self.retry_after {
            Some(wait) => write!(f, "; try again in {} ms", wait.as_millis()),
            None => Ok(()),
        }
    }
}

/// Replaces control characters by spaces and cuts the text to [`MAX_MESSAGE_BYTES`].
pub(crate) fn printable(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        if line.len() + c.len_utf8() > MAX_MESSAGE_BYTES {
            line.push('…');
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_all_that_is_known() {
        let error = ClaudeError::new(Kind::RateLimited, "Too many\ntokens");
        insta::assert_snapshot!(error, @"Claude: rate_limited: Too many tokens");
        let error = error
            .with_status(429)
            .with_request_id(Some("req_1"))
            .with_retry_after(Some(Duration::from_millis(1500)))
            .with_attempts(3);
        insta::assert_snapshot!(error, @"Claude: rate_limited: Too many tokens; status 429; request req_1; sent 3 times; try again in 1500 ms");
    }

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(printable(&"é".repeat(151)), format!("{}…", "é".repeat(150)));
        assert_eq!(printable(&"é".repeat(150)), "é".repeat(150));
    }
}
