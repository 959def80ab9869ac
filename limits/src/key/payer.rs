//! Who pays, and the identity that counters are named by.

use super::value;
use crate::counter::Identity;
use crate::policy::Policy;

/// Who pays: the keys that had a value, with it. Several only where keys pay together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer<'a> {
    /// The keys together by whose name they are counted, if they are several.
    pub(super) together: Option<&'a str>,
    pub(super) parts: Vec<Part<'a>>,
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
    pub(crate) fn identity(&self, policy: &Policy) -> Identity {
        let together = self.together.map(str::as_bytes);
        let parts = self.parts.iter().flat_map(|part| [part.key.as_bytes(), part.value.as_slice()]);
        Identity::derive(policy.salt.as_bytes(), together.into_iter().chain(parts))
    }
}
