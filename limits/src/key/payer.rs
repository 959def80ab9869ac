//! The payer of a charge, and the identity that counters are named after.

use super::value;
use crate::counter::Identity;
use crate::policy::{Key, Policy};

/// The most bytes of a key's value that logs show.
const MAX_LOGGED_BYTES: usize = 128;

/// The keys that pay, with their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer<'a>(pub(super) Keys<'a>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keys<'a> {
    /// One key. An array, so that nothing is allocated for a slice of it.
    One([Part<'a>; 1]),
    /// The name of a combination, and its keys.
    Together(&'a str, Vec<Part<'a>>),
}

/// One key, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The key's name.
    pub key: &'a str,
    /// The value as hashed: the network's bytes for an address, otherwise text.
    pub value: Vec<u8>,
}

impl Part<'_> {
    /// Returns the network that the client's address was cut to, in CIDR notation: `192.0.2.0/24`.
    #[must_use]
    pub fn network(&self) -> Option<String> {
        value::shown_network(&self.value)
    }

    /// Formats the value for a log: escaped, and cut if it is long.
    fn logged(&self) -> String {
        let network = self.network().map(String::into_bytes);
        let value = network.as_deref().unwrap_or(&self.value);
        let shown = value.get(..MAX_LOGGED_BYTES).unwrap_or(value);
        let cut = if shown.len() < value.len() { "..." } else { "" };
        format!("key.{}=\"{}{cut}\"", self.key, shown.escape_ascii())
    }
}

impl<'a> Payer<'a> {
    /// Returns the keys, with their values.
    #[must_use]
    pub fn parts(&self) -> &[Part<'a>] {
        match &self.0 {
            Keys::One(part) => part,
            Keys::Together(_, parts) => parts,
        }
    }

    /// Returns the values that logs show, as `key.user="42"`. Empty unless the policy says so.
    pub(crate) fn logged(&self, policy: &Policy) -> Vec<String> {
        if !policy.logs_keys {
            return Vec::new();
        }
        let is_logged = |part: &&Part<'_>| match policy.keys.get(part.key) {
            Some(Key::One { is_logged, .. }) => *is_logged,
            _ => false,
        };
        self.parts().iter().filter(is_logged).map(Part::logged).collect()
    }

    /// Returns the identity: a hash over all names and values, each prefixed with its length.
    #[must_use]
    pub(crate) fn identity(&self, policy: &Policy) -> Identity {
        let together = match &self.0 {
            Keys::One(_) => None,
            Keys::Together(name, _) => Some(name.as_bytes()),
        };
        let parts =
            self.parts().iter().flat_map(|part| [part.key.as_bytes(), part.value.as_slice()]);
        Identity::derive(policy.salt.as_bytes(), together.into_iter().chain(parts))
    }
}
