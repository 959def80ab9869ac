//! Why there is no answer, or not a whole one.
//!
//! Returned by [`crate::Client`] and its streams; made where it is found out.

use crate::kind::Kind;
use std::fmt;
use std::time::Duration;

/// The longest text of another's that an error repeats, in bytes.
const MAX_MESSAGE_BYTES: usize = 300;

/// Why a call failed. It never holds the key, nor what was asked, unless the service repeats it in
/// its own message.
#[derive(Debug, Clone)]
pub struct ClaudeError {
    kind: Kind,
    status: Option<u16>,
    message: Box<str>,
    request_id: Option<Box<str>>,
    retry_after: Option<Duration>,
    /// What the service says about a retry, whatever its status.
    should_retry: Option<bool>,
    attempts: u32,
}

impl ClaudeError {
    /// An error of this kind. Of the message, so much is kept as one can print in a line.
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

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The status that the service answered with, if it did.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// What exactly went wrong, in one line of at most 300 bytes. Of an error that the service
    /// told, it is its message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The service's name for the request, if it gave one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// How long to wait before the same request has a chance, if that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// How often it was sent. 0: it was not.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) const fn should_retry(&self) -> Option<bool> {
        self.should_retry
    }

    /// Whether the same request may succeed later, without anyone changing anything.
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

/// The text in one line, and no longer than one.
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
    fn an_error_says_all_that_is_known() {
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
