//! From a key's value to the identity that counters are named by.
//!
//! Called by [`crate::plan`] with what a request carries, and by the operator's tools with what a
//! person typed (`user=42`): both ways lead to the same counter.

mod typed;
mod value;

use crate::counter::Identity;
use crate::plan::Facts;
use crate::policy::{Key, Policy};
pub use typed::{BadKey, of_text};
pub(crate) use value::{client, text_of};

/// Who pays: the keys that had a value, with it. Several only where keys pay together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer<'a> {
    /// The keys together by whose name they are counted, if they are several.
    together: Option<&'a str>,
    parts: Vec<Part<'a>>,
}

/// One key, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The key's name.
    pub key: &'a str,
    /// Its value as it is hashed: for an address the network's bytes, else text.
    pub value: Vec<u8>,
}

impl Part<'_> {
    /// The network that a client's address was cut to, as people write it: `192.0.2.0/24`.
    #[must_use]
    pub fn network(&self) -> Option<String> {
        value::shown_network(&self.value)
    }
}

impl<'a> Payer<'a> {
    /// The keys, and their values.
    #[must_use]
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// What counters are named by: a hash over all names and values, each behind its length.
    #[must_use]
    pub fn identity(&self, policy: &Policy) -> Identity {
        let together = self.together.map(str::as_bytes);
        let parts = self.parts.iter().flat_map(|part| [part.key.as_bytes(), part.value.as_slice()]);
        Identity::derive(policy.salt.as_bytes(), together.into_iter().chain(parts))
    }
}

/// Who pays by key `name` for the request that `facts` tell of.
pub fn of_request<'a>(policy: &'a Policy, name: &'a str, facts: &impl Facts) -> Payer<'a> {
    let found = resolved(policy, name, facts);
    match policy.keys.get(found.key) {
        Some(Key::All(names)) => {
            let parts = names.iter().map(|name| resolved(policy, name, facts)).collect();
            Payer { together: Some(found.key), parts }
        }
        _ => Payer { together: None, parts: vec![found] },
    }
}

/// Whether key `name` has a value of its own: all of them, where it is several together.
pub(crate) fn is_there(policy: &Policy, name: &str, facts: &impl Facts) -> bool {
    let has_value = |name: &str| match policy.keys.get(name) {
        Some(Key::One { source, .. }) => value::of(source, facts).is_some(),
        _ => false,
    };
    match policy.keys.get(name) {
        Some(Key::All(names)) => names.iter().all(|name| has_value(name)),
        _ => has_value(name),
    }
}

/// The key that pays where `name` is asked for, and its value. Where a key's source has none, its
/// `otherwise` pays; a checked policy ends that chain with a key that is always there.
fn resolved<'a>(policy: &'a Policy, name: &'a str, facts: &impl Facts) -> Part<'a> {
    let mut name = name;
    for _ in 0..=policy.keys.len() {
        let Some(Key::One { source, otherwise }) = policy.keys.get(name) else { break };
        if let Some(value) = value::of(source, facts) {
            return Part { key: name, value };
        }
        match otherwise {
            Some(next) => name = next,
            None => break,
        }
    }
    Part { key: name, value: value::NONE.to_vec() }
}
