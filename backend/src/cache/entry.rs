//! Cache entries: their names, lifetimes and versions.

use std::time::Duration;
use uuid::Uuid;

/// The longest an AI answer may take, including retries and queueing.
const AI_LOAD: Duration = Duration::from_secs(600);
/// The longest a database load may take. Exceeds the database's own timeouts.
const DATABASE_LOAD: Duration = Duration::from_secs(20);

/// The lifetimes of cached values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttls {
    /// AI answers.
    pub ai: Duration,
    /// The price list.
    pub pricing: Duration,
    /// A user's plan.
    pub subscription: Duration,
    /// A résumé.
    pub resume: Duration,
}

/// An item that can be cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key in Redis, such as `cache:resume:…`.
    pub name: String,
    /// The value's lifetime.
    pub ttl: Duration,
    /// The kind of value.
    pub kind: Kind,
    /// The required version. Callers read the current version from the database, where it changes
    /// in the same transaction as the data. A value of another version is never used, wherever it
    /// comes from. 0 for immutable data.
    pub version: u64,
}

/// The kind of a cache entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An answer of this AI route. Expensive to load, so processes wait for each other.
    Ai(&'static str),
    /// The price list.
    Pricing,
    /// A user's plan.
    Subscription,
    /// A résumé.
    Resume,
}

impl Entry {
    /// Creates an entry for an AI answer. `hash` (`crate::user_secret::UserSecret::hash`) covers
    /// every input, so the value is immutable.
    #[must_use]
    pub fn ai(route: &'static str, hash: &str, ttls: &Ttls) -> Self {
        let name = format!("cache:ai:{hash}");
        Self { name, ttl: ttls.ai, kind: Kind::Ai(route), version: 0 }
    }

    /// Creates the entry for the price list. `version` is that of its source data.
    #[must_use]
    pub fn pricing(version: u64, ttls: &Ttls) -> Self {
        let name = "cache:pricing".to_owned();
        Self { name, ttl: ttls.pricing, kind: Kind::Pricing, version }
    }

    /// Creates the entry for a user's plan. `version` is that of its source data.
    #[must_use]
    pub fn subscription(user: Uuid, version: u64, ttls: &Ttls) -> Self {
        let name = format!("cache:user:{user}:subscription");
        Self { name, ttl: ttls.subscription, kind: Kind::Subscription, version }
    }

    /// Creates the entry for a résumé. `version` is its owner's revision
    /// (`crate::accounts::Caller`).
    #[must_use]
    pub fn resume(id: Uuid, version: u64, ttls: &Ttls) -> Self {
        // Built for each request, so avoid the formatter.
        let mut spelled = Uuid::encode_buffer();
        let name = ["cache:resume:", id.hyphenated().encode_lower(&mut spelled)];
        Self { name: name.concat(), ttl: ttls.resume, kind: Kind::Resume, version }
    }
}

impl Kind {
    /// Returns the `route` label in metrics.
    #[must_use]
    pub const fn route(self) -> &'static str {
        match self {
            Self::Ai(route) => route,
            Self::Pricing => "pricing",
            Self::Subscription => "subscription",
            Self::Resume => "resume",
        }
    }

    /// Returns the longest a load may take, which is also how long others wait for it.
    pub(super) const fn longest_load(self) -> Duration {
        match self {
            Self::Ai(_) => AI_LOAD,
            Self::Pricing | Self::Subscription | Self::Resume => DATABASE_LOAD,
        }
    }

    /// Returns true if one process loads while others wait. A database read costs less than finding
    /// out who is doing it.
    pub(super) const fn is_expensive(self) -> bool {
        matches!(self, Self::Ai(_))
    }
}
