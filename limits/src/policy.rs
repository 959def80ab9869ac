//! The policy: one document, checked once, that says who is charged what for which request.
//!
//! Called by the filter at start-up (as JSON, from Envoy's configuration) and by the operator's
//! tools (as YAML). [`crate::plan`] applies it to a request.
//!
//! `document` is what people write; `reading` finds its mistakes of form; `keys`, `buckets` and
//! `rules` hold what is left once it makes sense, each with what makes it so; `check` leads through
//! them.

mod buckets;
mod check;
mod document;
mod keys;
mod mistakes;
mod on_failure;
mod reading;
mod rules;
#[cfg(feature = "schema")]
mod schema;

use crate::headers::Family;
pub use buckets::{Algorithm, Bucket, LimitChoice, Refund};
pub use keys::{Key, Source};
pub use mistakes::{PolicyError, PolicyErrors, no_such};
pub use on_failure::OnFailure;
pub use rules::{HeaderMatch, Match, Rule};
#[cfg(feature = "schema")]
pub use schema::schema;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The salt of the shipped policy, which everyone knows.
pub const DEVELOPMENT_SALT: &str = "tollgate-development";

/// Salts that [`is_salt`] takes, for people.
pub const EXPECTED_SALT: &str = "1 to 255 visible ASCII characters";

/// Why a salt that everyone knows is not good enough, and what to do: for logs and the operator.
pub const KNOWN_SALT: &str = "everyone knows the policy's salt: with it, names of counters in Redis \
    lead back to clients, and chosen addresses can fill another client's page of the local table; \
    outside development, set a salt of your own (TOLLGATE_SALT)";

/// Returns true if `text` can be written as a salt in any file and environment.
#[must_use]
pub fn is_salt(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads yes or no as people write it in an environment, in any case of letters. The gateway and the
/// backend read the same variables by it.
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
    /// Envoy's cluster in which the shim is found.
    pub cluster: String,
    /// How long a request waits for the ledger, in ms, 1..=10,000.
    pub timeout_ms: u64,
    /// jwt_authn's `payload_in_metadata`: where the verified claims are.
    pub jwt_payload: String,
    /// What responses tell of the limits.
    pub response_headers: BTreeSet<Family>,
    /// The key of the hash that counters are named by.
    pub salt: String,
    /// Who can pay, by name.
    pub keys: BTreeMap<String, Key>,
    /// What can be charged, in the order of their names; rules name them by their place here.
    pub buckets: Vec<Bucket>,
    /// Tried in this order; the first that matches decides.
    pub rules: Vec<Rule>,
}

impl Policy {
    /// Returns true if everyone knows the salt: it is the shipped policy's, or there is none.
    ///
    /// Counters' names can then be computed by anyone: names in Redis give away who pays, and clients
    /// can choose addresses that fill another's page of the table that `on_failure: local` counts in.
    #[must_use]
    pub fn has_known_salt(&self) -> bool {
        self.salt.is_empty() || self.salt == DEVELOPMENT_SALT
    }

    /// The key called `name`, and those that pay, one after the other, where it has no value.
    pub fn payers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        keys::chain(name, &self.keys)
    }

    /// What a rule is called in logs: its name, or else its place in [`Policy::rules`]; `none` where
    /// no rule matched.
    #[must_use]
    pub(crate) fn rule_name(&self, rule: Option<usize>) -> Cow<'_, str> {
        let Some(at) = rule else { return Cow::Borrowed("none") };
        match self.rules.get(at).and_then(|rule| rule.name.as_deref()) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(at.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
