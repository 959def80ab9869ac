//! Maps a key's value to the identity that counters are named after.
//!
//! Called by [`crate::plan`] with a request's facts, and by the operator's tools with typed text
//! (`user=42`). Both yield the same counter.

mod payer;
mod typed;
mod value;

use crate::facts::Facts;
use crate::policy::{Key, Policy};
use payer::Keys;
pub use payer::{Part, Payer};
pub use typed::{BadKey, of_text};
pub(crate) use value::{client, text_of, value_of};

/// Returns the payer by key `name` for the request that `facts` describe.
pub(crate) fn of_request<'a>(policy: &'a Policy, name: &'a str, facts: &impl Facts) -> Payer<'a> {
    let found = resolved(policy, name, facts);
    match policy.keys.get(found.key) {
        Some(Key::All(names)) => {
            let parts = names.iter().map(|name| resolved(policy, name, facts)).collect();
            Payer(Keys::Together(found.key, parts))
        }
        _ => Payer(Keys::One([found])),
    }
}

/// Returns true if key `name` itself has a value, without its fallbacks. For a combination, all of
/// its keys must have one.
pub(crate) fn has_value(policy: &Policy, name: &str, facts: &impl Facts) -> bool {
    let has_own = |name: &str| match policy.keys.get(name) {
        Some(Key::One { source, .. }) => value::of(source, facts).is_some(),
        _ => false,
    };
    match policy.keys.get(name) {
        Some(Key::All(names)) => names.iter().all(|name| has_own(name)),
        _ => has_own(name),
    }
}

/// Returns the value of key `name` itself, without its fallbacks; `None` for a combination.
pub(crate) fn own_value(policy: &Policy, name: &str, facts: &impl Facts) -> Option<Vec<u8>> {
    match policy.keys.get(name) {
        Some(Key::One { source, .. }) => value::of(source, facts),
        _ => None,
    }
}

/// Returns the key that pays in place of `name`, and its value. A key without a value falls back to
/// its `otherwise` key; a checked policy ends every chain with a key that always has a value.
fn resolved<'a>(policy: &'a Policy, name: &'a str, facts: &impl Facts) -> Part<'a> {
    let mut name = name;
    for _ in 0..=policy.keys.len() {
        let Some(Key::One { source, otherwise, .. }) = policy.keys.get(name) else { break };
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
