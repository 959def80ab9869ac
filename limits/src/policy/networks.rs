//! Checks the named networks of a policy, and the networks of a match.

use super::mistakes::Mistakes;
use crate::counter::is_bucket_name;
use crate::networks::{Network, Networks};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most networks of one policy.
pub(super) const MAX_NETWORKS: usize = 20_000;
/// The most networks and names in the `client` of one match.
const MAX_LISTED: usize = 1_000;

/// The named sets of networks. Rules share them, so a set takes its memory once.
pub(super) type Named = BTreeMap<String, Arc<Networks>>;

/// Checks `documents` and returns their sets.
pub(super) fn checked(documents: &BTreeMap<String, Vec<String>>, mistakes: &mut Mistakes) -> Named {
    let total: usize = documents.values().map(Vec::len).sum();
    if total > MAX_NETWORKS {
        mistakes.add("networks", format!("expected at most {MAX_NETWORKS} in all, found {total}"));
    }
    let mut named = Named::new();
    for (name, texts) in documents {
        let place = format!("networks.{name}");
        if !is_bucket_name(name) {
            mistakes.add(
                &place,
                "expected a name of at most 64 letters, digits, _ or -, starting with a letter",
            );
        }
        let texts = texts.iter().take(MAX_NETWORKS).enumerate();
        let networks =
            texts.filter_map(|(at, text)| network(&format!("{place}[{at}]"), text, mistakes));
        named.insert(name.clone(), Arc::new(networks.collect()));
    }
    named
}

/// Checks the `client` of a match: names of `named`, and networks. Returns the sets to search.
pub(super) fn listed(
    place: &str,
    texts: &[String],
    named: &Named,
    mistakes: &mut Mistakes,
) -> Vec<Arc<Networks>> {
    if texts.is_empty() || texts.len() > MAX_LISTED {
        mistakes.add(
            place,
            format!(
                "expected 1 to {MAX_LISTED} networks or names of networks, found {}: list more under `networks`",
                texts.len()
            ),
        );
    }
    let (mut sets, mut own) = (Vec::new(), Vec::new());
    for (index, text) in texts.iter().take(MAX_LISTED).enumerate() {
        let place = format!("{place}[{index}]");
        // A name cannot contain any of these, and every network does.
        if text.contains(['.', ':', '/']) {
            own.extend(network(&place, text, mistakes));
        } else if let Some(set) = named.get(text) {
            sets.push(Arc::clone(set));
        } else if named.is_empty() {
            mistakes.add(
                place,
                format!("unknown network {text:?}: define it under `networks`, or write it as 10.0.0.0/8"),
            );
        } else {
            mistakes.unknown(place, "network", text, named.keys());
        }
    }
    if !own.is_empty() {
        sets.push(Arc::new(own.into_iter().collect()));
    }
    sets
}

fn network(place: &str, text: &str, mistakes: &mut Mistakes) -> Option<Network> {
    match Network::parse(text) {
        Ok(network) => Some(network),
        Err(error) => {
            mistakes.add(place, format!("{error}, found {text:?}"));
            None
        }
    }
}
