//! The shim, asked what is left of a quota. It alone counts.
//!
//! Asked by [`crate::routes::usage`]. It may be away: an answer is worth half a second, no more.

use crate::quota::{Usage, question};
use jiff::Timestamp;
use limits::counter::BadCounterName;
use limits::wire::{MARKER_HEADER, MARKER_VALUE, PEEK_PATH, PeekReply};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use std::time::Duration;
use uuid::Uuid;

/// How long the shim may take, connecting included.
const TIMEOUT: Duration = Duration::from_millis(500);
/// The largest answer that is looked at.
const MAX_REPLY_BYTES: u64 = 4096;

/// Where the shim is, and how the policy names counters.
#[derive(Debug, Clone)]
pub struct Ledger {
    client: Client,
    peek: Url,
    salt: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The shim did not answer, or not what it should.
    #[error("the shim did not answer: {0}")]
    NoAnswer(#[from] reqwest::Error),
    /// Something else answered, or the shim had no answer to give.
    #[error("expected the shim's answer, found status {0}")]
    OtherAnswer(u16),
    /// The counter cannot be named.
    #[error(transparent)]
    Counter(#[from] BadCounterName),
}

impl Ledger {
    /// The shim at `url`.
    ///
    /// # Errors
    /// Where no client can be made.
    pub fn new(url: &Url, salt: String) -> anyhow::Result<Self> {
        let client =
            Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().build()?;
        Ok(Self { client, peek: url.join(PEEK_PATH)?, salt })
    }

    /// What is left of the user's AI quota today.
    ///
    /// # Errors
    /// [`LedgerError`]; then it is not known.
    pub async fn ai_usage(
        &self,
        user: Uuid,
        limit: u32,
        now: Timestamp,
    ) -> Result<Usage, LedgerError> {
        let question = question(&self.salt, user, limit)?;
        let response = self.client.post(self.peek.clone()).json(&question).send().await?;
        if !is_genuine(&response) {
            return Err(LedgerError::OtherAnswer(response.status().as_u16()));
        }
        let reply: PeekReply = response.json().await?;
        Ok(Usage::of(&reply, now))
    }
}

fn is_genuine(response: &Response) -> bool {
    let marker = response.headers().get(MARKER_HEADER);
    let is_short = response.content_length().is_some_and(|bytes| bytes <= MAX_REPLY_BYTES);
    response.status().is_success()
        && is_short
        && marker.is_some_and(|marker| marker.as_bytes() == MARKER_VALUE.as_bytes())
}
