//! The policy: one document that defines which requests are charged, how much, and who pays.
//!
//! The filter reads it at startup (as JSON, from Envoy's configuration), and the operator's tools
//! read it as YAML. [`crate::plan`] applies it to a request.
//!
//! `document` is the format that people write, and `reading` finds format errors in it. `sources`
//! and `amount` hold the parts that keys, limits and costs share. `keys`, `buckets` (with
//! `counting`) and `rules` (with `charges`) hold the checked parts, each with its own checks. `check`
//! runs them all.

mod adding;
mod amount;
mod buckets;
mod calendar;
mod charges;
mod check;
mod conditions;
mod counting;
mod document;
mod exempt;
mod index;
mod jwt;
mod keys;
mod matches;
mod mistakes;
mod networks;
mod on_error;
mod on_failure;
mod reading;
mod refusal;
mod rules;
#[cfg(feature = "schema")]
mod schema;
mod sources;
mod spelling;
mod when;

use crate::headers::{Family, Reset, UpstreamHeaders};
use crate::path::NormalPath;
pub use amount::{Amount, Number, NumberFrom, UNLIMITED};
pub use buckets::{Bucket, Refund};
pub use calendar::Choice;
pub use charges::RuleCharge;
pub use counting::{Algorithm, Counting, Tiers};
pub(crate) use index::Candidates;
use index::MatchIndex;
pub use jwt::Jwt;
pub use keys::Key;
pub use matches::{Match, Subject, ValueMatch};
pub use mistakes::{PolicyError, PolicyErrors, unknown_name};
pub use on_error::OnError;
pub use on_failure::{OnFailure, WhenFull};
pub use refusal::Refusal;
pub use rules::Rule;
#[cfg(feature = "schema")]
pub use schema::schema;
pub use sources::Source;
pub use spelling::{EncodedSlash, OnUndecodable, Spelling};
use std::collections::{BTreeMap, BTreeSet};
pub use when::WhenMatch;

/// The salt of the shipped policy, which is publicly known.
pub const DEVELOPMENT_SALT: &str = "tollgate-development";

/// The salts that [`is_salt`] accepts, as a phrase for error messages.
pub const EXPECTED_SALT: &str = "1 to 255 visible ASCII characters";

/// The warning about a publicly known salt: the risk and the remedy.
pub const KNOWN_SALT: &str = "the policy's salt is publicly known: anyone can link counter names in \
    Redis to clients, and clients can choose addresses that fill another client's page of the local \
    table; outside development, set your own salt (TOLLGATE_SALT)";

/// Returns true if `text` can be used as a salt in any file or environment variable.
#[must_use]
pub fn is_salt(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Parses a yes/no environment variable, ignoring case. The gateway and the backend both use it, so
/// they agree on the values.
#[must_use]
pub fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A checked policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The Envoy cluster of the shim.
    pub cluster: String,
    /// The `:authority` of calls to the shim.
    pub authority: String,
    /// The time that a request waits for the ledger, in ms, 1..=10,000.
    pub timeout_ms: u64,
    /// The location of the verified token's claims.
    pub jwt: Jwt,
    /// The header families that responses carry.
    pub response_headers: BTreeSet<Family>,
    /// The form of `X-RateLimit-Reset`.
    pub x_ratelimit_reset: Reset,
    /// The rate limit headers of a response whose upstream sends its own.
    pub upstream_headers: UpstreamHeaders,
    /// True if each decision is stored in the filter state, for the access log.
    pub filter_state: bool,
    /// The key of the hash that counter names are derived from.
    pub salt: String,
    /// The keys, by name.
    pub keys: BTreeMap<String, Key>,
    /// True if logs show the values of some keys.
    pub(crate) logs_keys: bool,
    /// The buckets, sorted by name; rules refer to them by index.
    pub buckets: Vec<Bucket>,
    /// The accepted spellings of paths, unless a rule has its own.
    pub spelling: Spelling,
    /// The requests that are charged nothing, whatever the rules say.
    pub exempt: Vec<Match>,
    /// The rules, in order. The first match without [`Rule::continues`] ends the search.
    pub rules: Vec<Rule>,
    /// The index of the rules; `None` if they are few.
    pub(crate) index: Option<MatchIndex>,
}

impl Policy {
    /// Returns true if the salt is publicly known: it is the shipped policy's, or empty.
    ///
    /// With a known salt, anyone can compute counter names. Names in Redis then reveal who pays,
    /// and clients of many networks can choose addresses that fill another client's page of the
    /// `on_failure: local` table.
    #[must_use]
    pub fn has_known_salt(&self) -> bool {
        self.salt.is_empty() || self.salt == DEVELOPMENT_SALT
    }

    /// Returns the indices of the rules that a request with this path and host can match, in order.
    pub(crate) fn candidates<'a>(
        &self,
        path: Option<&NormalPath>,
        host: impl FnOnce() -> &'a str,
    ) -> Candidates {
        match &self.index {
            Some(index) => index.candidates(path, host),
            None => Candidates::All(0..self.rules.len()),
        }
    }

    /// Returns the chain of keys that can pay for `name`: the key itself, then its fallbacks in
    /// order.
    pub fn payers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        keys::chain(name, &self.keys)
    }
}

#[cfg(test)]
mod tests;
