//! What asking the cache comes to.

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It had been stored this long ago.
    Hit {
        /// In whole seconds.
        age_s: u64,
    },
    /// It was loaded.
    Miss,
    /// It was being loaded for someone else. It cost nothing, and is no hit all the same: a policy
    /// that refunds hits charges it.
    Coalesced,
    /// It was loaded without looking, because the request or the configuration says so.
    Bypass,
}

/// Why a load came to no end of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Aborted {
    /// It took longer than anything of its kind may.
    #[error("loading took too long")]
    TooSlow,
    /// It panicked.
    #[error("loading panicked")]
    Panicked,
    /// As much is being loaded as may.
    #[error("too much is being loaded at once")]
    TooMany,
}

/// What metrics call it.
pub(super) fn outcome<T>(cached: Option<&Cached<T>>) -> &'static str {
    match cached.map(|cached| cached.origin) {
        Some(Origin::Hit { .. }) => "hit",
        Some(Origin::Miss) => "miss",
        Some(Origin::Coalesced) => "coalesced",
        Some(Origin::Bypass) => "bypass",
        None => "error",
    }
}
