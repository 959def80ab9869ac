//! The client for usage queries to the shim, which alone counts.
//!
//! Used by [`crate::routes::usage`]. The shim can be down; a query waits at most half a second.

use crate::quota::{Usage, query};
use jiff::Timestamp;
use limits::counter::BadCounterName;
use limits::wire::{MARKER_HEADER, MARKER_VALUE, PEEK_PATH, PeekReply};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use std::time::Duration;
use uuid::Uuid;

/// The timeout of a query, including connecting.
const TIMEOUT: Duration = Duration::from_millis(500);
/// The largest reply that is read.
const MAX_REPLY_BYTES: u64 = 4096;

/// A client for the shim, with the salt by which the policy names counters.
#[derive(Debug, Clone)]
pub struct Ledger {
    client: Client,
    peek: Url,
    salt: String,
}

/// A usage query that failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The shim did not answer, or its answer was malformed.
    #[error("the shim did not answer: {0}")]
    NoAnswer(#[from] reqwest::Error),
    /// Another server answered, or the shim reported an error.
    #[error("expected an answer from the shim, found status {0}")]
    OtherAnswer(u16),
    /// The counter's name is invalid.
    #[error(transparent)]
    Counter(#[from] BadCounterName),
}

impl Ledger {
    /// Creates a client for the shim at `url`.
    ///
    /// # Errors
    /// Fails if the HTTP client cannot be created.
    pub fn new(url: &Url, salt: String) -> anyhow::Result<Self> {
        let client =
            Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().build()?;
        Ok(Self { client, peek: url.join(PEEK_PATH)?, salt })
    }

    /// Queries the user's AI usage today.
    ///
    /// # Errors
    /// [`LedgerError`]; then the usage is unknown.
    pub async fn ai_usage(
        &self,
        user: Uuid,
        limit: u32,
        now: Timestamp,
    ) -> Result<Usage, LedgerError> {
        let query = query(&self.salt, user, limit)?;
        let response = self.client.post(self.peek.clone()).json(&query).send().await?;
        if !is_from_shim(&response) {
            return Err(LedgerError::OtherAnswer(response.status().as_u16()));
        }
        let reply: PeekReply = response.json().await?;
        Ok(Usage::of(&reply, now))
    }
}

fn is_from_shim(response: &Response) -> bool {
    let marker = response.headers().get(MARKER_HEADER);
    let is_short = response.content_length().is_some_and(|bytes| bytes <= MAX_REPLY_BYTES);
    response.status().is_success()
        && is_short
        && marker.is_some_and(|marker| marker.as_bytes() == MARKER_VALUE.as_bytes())
}
