//! From a key's value to the identity that counters are named by.
//!
//! Called by [`crate::plan`] with what a request carries, and by the operator's tools with what a
//! person typed (`user=42`): both ways lead to the same counter.

mod payer;
mod typed;
mod value;

use crate::facts::Facts;
use crate::policy::{Key, Policy};
pub use payer::{Part, Payer};
pub use typed::{BadKey, of_text};
pub(crate) use value::{client, text_of};

/// Who pays by key `name` for the request that `facts` tell of.
pub(crate) fn of_request<'a>(policy: &'a Policy, name: &'a str, facts: &impl Facts) -> Payer<'a> {
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
