//! A counter as serialized. A decision on a page reads its own counters and leaves the others alone.

use crate::ledger::state::Counter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// A serialized counter.
#[derive(Debug)]
pub(super) struct Stored<'a>(Cow<'a, [u8]>);

impl Stored<'_> {
    pub(super) fn of(counter: &Counter) -> Self {
        Self(Cow::Owned(postcard::to_stdvec(counter).unwrap_or_default()))
    }

    /// Returns the counter; `None` if it is damaged.
    pub(super) fn counter(&self) -> Option<Counter> {
        postcard::from_bytes(&self.0).ok()
    }
}

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Stored<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(|bytes| Self(Cow::Borrowed(bytes)))
    }
}
