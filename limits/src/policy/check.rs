//! Turns the document into a checked policy, and reports every mistake with its location.
//!
//! Invalid items are left out while the rest is still checked. Their names count as defined.

use super::charges::Buckets;
use super::document::{Document, MAX_ITEMS, Mapping, REQUIRED, Shim};
use super::index::MatchIndex;
use super::matches::Names;
use super::mistakes::{Mistakes, PolicyErrors};
use super::reading::{read, read_rest};
use super::spelling::Spelling;
use super::{Key, Policy, buckets, exempt, jwt, keys, networks, rules};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// The longest that a request may wait for the ledger, in ms.
const MAX_TIMEOUT_MS: u64 = 10_000;

impl Policy {
    /// Parses a policy from JSON, as Envoy passes it to the filter.
    ///
    /// # Errors
    /// Fails with all mistakes found, each with its location.
    pub fn from_json(text: &[u8]) -> Result<Self, PolicyErrors> {
        serde_json::from_slice(text).map_err(PolicyErrors::from).and_then(Self::from_value)
    }

    /// Parses a policy from an already parsed document.
    ///
    /// # Errors
    /// Fails with all mistakes found, each with its location.
    pub fn from_value(value: Value) -> Result<Self, PolicyErrors> {
        let mut mistakes = Mistakes::default();
        for field in REQUIRED {
            if value.as_object().is_some_and(|fields| !fields.contains_key(field)) {
                mistakes.add("", format!("missing field `{field}`"));
            }
        }
        let Some(Mapping(document)) = read_rest::<Mapping<Document>>(value, "", &mut mistakes)
        else {
            return Err(mistakes.into_errors());
        };
        let timeout_ms = shim(&document.shim, &mut mistakes);
        let jwt = jwt::checked(document.jwt.0, &mut mistakes);
        let key_documents = named("keys", document.keys, &mut mistakes);
        let keys = keys::checked(&key_documents, &mut mistakes);
        let bucket_documents = named("buckets", document.buckets, &mut mistakes);
        // If there are no mistakes, every bucket exists, so a name's index here is its index in the
        // policy.
        let bucket_names: Vec<_> = bucket_documents.keys().cloned().collect();
        let buckets = buckets::checked(bucket_documents, &key_documents, &mut mistakes);
        let exempt_documents = listed("exempt", document.exempt, &mut mistakes);
        let rule_documents = listed("rules", document.rules, &mut mistakes);
        let networks = networks::checked(&document.networks, &mut mistakes);
        let Document { encoded_slash, undecodable, .. } = document;
        let spelling = Spelling { encoded_slash, undecodable };
        let charged = Buckets { names: &bucket_names, valid: &buckets };
        let names = Names { keys: &keys, all_keys: &key_documents, networks: &networks };
        let exempt = exempt::checked(&exempt_documents, &names, &mut mistakes);
        let rules = rules::checked(&rule_documents, &names, charged, spelling, &mut mistakes);
        mistakes.or_value(Self {
            cluster: document.shim.0.cluster,
            authority: document.shim.0.authority,
            timeout_ms,
            jwt,
            response_headers: document.response_headers,
            x_ratelimit_reset: document.x_ratelimit_reset,
            upstream_headers: document.upstream_headers,
            filter_state: document.filter_state,
            salt: document.salt,
            logs_keys: keys.values().any(|key| matches!(key, Key::One { is_logged: true, .. })),
            keys,
            buckets,
            index: MatchIndex::new(rules.iter().map(|rule| &rule.matching)),
            spelling,
            exempt,
            rules,
        })
    }
}

fn shim(shim: &Shim, mistakes: &mut Mistakes) -> u64 {
    if shim.cluster.is_empty() {
        mistakes.add("shim.cluster", "expected the name of the shim's Envoy cluster, found \"\"");
    }
    if !is_authority(&shim.authority) {
        mistakes.add(
            "shim.authority",
            format!(
                "expected a host such as tollgate or 10.0.0.5:8081, found {:?}",
                shim.authority
            ),
        );
    }
    let timeout_ms = shim.timeout.as_ms();
    if timeout_ms > MAX_TIMEOUT_MS {
        mistakes.add("shim.timeout", format!("expected at most 10s, found {timeout_ms}ms"));
    }
    timeout_ms
}

/// Returns true for a host name or an address, with or without a port.
fn is_authority(text: &str) -> bool {
    let is_name = |host: &str| {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        (1..=253).contains(&host.len()) && host.bytes().all(is_allowed)
    };
    let is_ipv6 = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let is_host = |host: &str| is_name(host) || is_ipv6(host);
    let has_port = |(host, port): (&str, &str)| is_host(host) && port.parse::<u16>().is_ok();
    is_host(text) || text.rsplit_once(':').is_some_and(has_port)
}

fn named<T: DeserializeOwned>(
    place: &str,
    values: BTreeMap<String, Value>,
    mistakes: &mut Mistakes,
) -> BTreeMap<String, Option<T>> {
    size(place, values.len(), mistakes);
    // `collect` would sort the items first.
    let mut items = BTreeMap::new();
    for (name, value) in values.into_iter().take(MAX_ITEMS) {
        let item = read::<Mapping<T>>(value, &format!("{place}.{name}"), mistakes);
        items.insert(name, item.map(|item| item.0));
    }
    items
}

fn listed<T: DeserializeOwned>(
    place: &str,
    values: Vec<Value>,
    mistakes: &mut Mistakes,
) -> Vec<Option<T>> {
    size(place, values.len(), mistakes);
    let values = values.into_iter().take(MAX_ITEMS).enumerate();
    values
        .map(|(index, value)| {
            let item = read::<Mapping<T>>(value, &format!("{place}[{index}]"), mistakes);
            item.map(|item| item.0)
        })
        .collect()
}

fn size(place: &str, found: usize, mistakes: &mut Mistakes) {
    if found > MAX_ITEMS {
        mistakes.add(place, format!("expected at most {MAX_ITEMS}, found {found}"));
    }
}

#[cfg(test)]
mod tests {
    use super::is_authority;

    #[test]
    fn an_authority_is_a_host_with_or_without_a_port() {
        for good in ["tollgate", "shim.ns.svc", "10.0.0.5:8081", "[::1]", "[::1]:8081"] {
            assert!(is_authority(good), "{good}");
        }
        for bad in ["", ":", "[[", "a:b:c", "::1", "a:99999", "a b", "outbound|8081||x", "a/b"] {
            assert!(!is_authority(bad), "{bad}");
        }
    }
}
