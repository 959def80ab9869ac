//! Outcomes of a cache lookup.

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached<T> {
    /// The value.
    pub value: T,
    /// The value's origin.
    pub origin: Origin,
}

/// The origin of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The value was in the cache.
    Hit {
        /// The age in whole seconds.
        age_s: u64,
    },
    /// The value was loaded.
    Miss,
    /// The value was being loaded for another caller. Not a hit, although it cost nothing: a policy
    /// that refunds hits still charges it.
    Coalesced,
    /// The value was loaded without a lookup, as the request or the configuration demands.
    Bypass,
}

/// A load that did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Aborted {
    /// The load exceeded its time limit.
    #[error("loading took too long")]
    TooSlow,
    /// The load panicked.
    #[error("loading panicked")]
    Panicked,
    /// Too many loads are running.
    #[error("too many loads are in progress")]
    TooMany,
}

/// Returns the `outcome` label in metrics.
pub(super) fn outcome<T>(cached: Option<&Cached<T>>) -> &'static str {
    match cached.map(|cached| cached.origin) {
        Some(Origin::Hit { .. }) => "hit",
        Some(Origin::Miss) => "miss",
        Some(Origin::Coalesced) => "coalesced",
        Some(Origin::Bypass) => "bypass",
        None => "error",
    }
}
