//! The policy: one document, checked once, that says who is charged what for which request.
//!
//! Called by the filter at start-up (as JSON, from Envoy's configuration) and by the operator's
//! tools (as YAML). [`crate::plan`] applies it to a request.

mod check;
mod document;

use crate::json::JsonError;
use crate::pattern::Pattern;
use crate::quota::{Limit, Period, WindowMs};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The most keys, buckets or rules of one policy.
pub const MAX_ITEMS: usize = 1_000;

/// A checked policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Envoy's cluster in which the shim is found.
    pub cluster: String,
    /// How long a request waits for the ledger, in ms, 1..=10,000.
    pub timeout_ms: u64,
    /// jwt_authn's `payload_in_metadata`: where the verified claims are.
    pub jwt_payload: String,
    /// The key of the hash that counters are named by.
    pub salt: String,
    /// Who can pay, by name.
    pub keys: BTreeMap<String, Key>,
    /// What can be charged, in the order of their names; rules name them by their place here.
    pub buckets: Vec<Bucket>,
    /// Tried in this order; the first that matches decides.
    pub rules: Vec<Rule>,
}

/// A kind of payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where the payer's value is found.
    pub source: KeySource,
    /// The key used where the source has no value; every source that can be absent has one.
    pub otherwise: Option<String>,
}

/// Where a payer's value is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A claim of the verified token.
    JwtClaim(String),
    /// The client's address, cut to a network.
    ClientIp {
        /// Leading bits of an IPv4 address that count.
        v4_prefix: u8,
        /// Leading bits of an IPv6 address that count.
        v6_prefix: u8,
    },
    /// A request header. Whatever its sender writes there: use it only for what a trusted proxy sets.
    Header(String),
}

/// A named limit or quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name, in headers, logs and counters.
    pub name: String,
    /// The key's name.
    pub key: String,
    /// How it counts.
    pub algorithm: Algorithm,
    /// How much it allows.
    pub limit: LimitChoice,
    /// What happens when the ledger cannot answer.
    pub on_failure: OnFailure,
    /// Outcomes for which the charge is given back.
    pub refund: Vec<Refund>,
    /// `false` for a shadow: counted and reported, never refused.
    pub enforce: bool,
}

/// How a bucket counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Algorithm {
    /// At most the limit in every interval of this length.
    SlidingWindow {
        /// The window's length.
        window_ms: WindowMs,
    },
    /// At most the limit in each period of the calendar.
    FixedWindow {
        /// The period.
        per: Period,
        /// The IANA time zone.
        time_zone: String,
    },
    /// `rate` tokens every `per_ms`; the limit is the burst.
    TokenBucket {
        /// Tokens that flow in every `per_ms`.
        rate: Limit,
        /// The time in which they flow in.
        per_ms: WindowMs,
    },
}

/// How much a bucket allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitChoice {
    /// The same for all.
    Fixed(Limit),
    /// Chosen by a claim of the verified token.
    ByClaim {
        /// The claim's name.
        claim: String,
        /// Its values and their limits.
        values: BTreeMap<String, Limit>,
        /// The limit for any other value, or none.
        otherwise: Limit,
    },
}

/// What happens when the ledger cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The request passes this bucket, uncounted.
    Allow,
    /// The request is refused with 503.
    Deny,
    /// Envoy counts by itself until the ledger is back.
    #[default]
    Local,
}

/// An outcome for which a charge is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refund {
    /// 2xx and 3xx.
    Success,
    /// 4xx.
    ClientError,
    /// 5xx, an upstream that died included.
    ServerError,
    /// An answer from a cache, as `X-Cache: HIT` says.
    CacheHit,
}

/// Which requests, and what they are charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Patterns of which one must match; none means any path.
    pub paths: Option<Vec<Pattern>>,
    /// Methods of which one must match; none means any.
    pub methods: Option<Vec<String>>,
    /// Whether a verified token must be there, or must not; none means either.
    pub authenticated: Option<bool>,
    /// Places in [`Policy::buckets`]; empty for an exemption.
    pub charge: Vec<usize>,
}

/// A mistake in a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", if place.is_empty() { "policy" } else { place })]
pub struct PolicyError {
    /// Where, as people write it: `buckets.auth.limit`, `rules[3].charge[0]`.
    pub place: String,
    /// What was expected, and what was found.
    pub message: String,
}

/// The mistakes of a policy: at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl Policy {
    /// Reads a policy from JSON text, as Envoy hands it to the filter.
    ///
    /// # Errors
    /// [`PolicyErrors`]: the first mistake of form, or else all mistakes of sense.
    pub fn from_json(text: &[u8]) -> Result<Self, PolicyErrors> {
        crate::json::parse(text).map_err(PolicyErrors::from).and_then(check::check)
    }

    /// Reads a policy from a parsed document.
    ///
    /// # Errors
    /// [`PolicyErrors`]: the first mistake of form, or else all mistakes of sense.
    pub fn from_value(value: serde_json::Value) -> Result<Self, PolicyErrors> {
        crate::json::from_value(value).map_err(PolicyErrors::from).and_then(check::check)
    }
}

impl From<JsonError> for PolicyErrors {
    fn from(error: JsonError) -> Self {
        Self(vec![PolicyError { place: dotted(&error.pointer), message: error.message }])
    }
}

/// `/rules/3/charge/0` as `rules[3].charge[0]`.
fn dotted(pointer: &str) -> String {
    let mut place = String::new();
    for token in pointer.split('/').skip(1) {
        if token.bytes().all(|b| b.is_ascii_digit()) {
            place.push_str(&format!("[{token}]"));
        } else {
            let dot = if place.is_empty() { "" } else { "." };
            place.push_str(&format!("{dot}{}", token.replace("~1", "/").replace("~0", "~")));
        }
    }
    place
}

#[cfg(test)]
mod tests;
