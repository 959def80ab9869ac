//! What is cached, by name, and for how long.

use std::time::Duration;
use uuid::Uuid;

/// How long a model may take, its retries and waiting for a place included.
const AI_LOAD: Duration = Duration::from_secs(600);
/// How long the database may take: longer than any of its own time-outs.
const DATABASE_LOAD: Duration = Duration::from_secs(20);

/// How long values are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttls {
    /// Answers of the AI routes.
    pub ai: Duration,
    /// The prices.
    pub pricing: Duration,
    /// A user's plan.
    pub subscription: Duration,
    /// A résumé.
    pub resume: Duration,
}

/// One thing that can be cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in Redis: `cache:resume:…`.
    pub name: String,
    /// How long its value is good for.
    pub ttl: Duration,
    /// What it is.
    pub kind: Kind,
    /// Of what state it must be. Whoever asks knows the present state from the database, where it
    /// is written together with the change: a value of another state is not used, wherever it
    /// comes from. 0 for what never changes.
    pub version: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An answer of this AI route. Dear to load: processes wait for each other.
    Ai(&'static str),
    /// The prices.
    Pricing,
    /// A user's plan.
    Subscription,
    /// A résumé.
    Resume,
}

impl Entry {
    /// An answer of an AI route. `hash` (`crate::user_secret::UserSecret::hash`) covers
    /// everything that shapes it, so it never changes.
    #[must_use]
    pub fn ai(route: &'static str, hash: &str, ttls: &Ttls) -> Self {
        let name = format!("cache:ai:{hash}");
        Self { name, ttl: ttls.ai, kind: Kind::Ai(route), version: 0 }
    }

    /// The prices. `version`: of what they are made from.
    #[must_use]
    pub fn pricing(version: u64, ttls: &Ttls) -> Self {
        let name = "cache:pricing".to_owned();
        Self { name, ttl: ttls.pricing, kind: Kind::Pricing, version }
    }

    /// A user's plan. `version`: of what it is made from.
    #[must_use]
    pub fn subscription(user: Uuid, version: u64, ttls: &Ttls) -> Self {
        let name = format!("cache:user:{user}:subscription");
        Self { name, ttl: ttls.subscription, kind: Kind::Subscription, version }
    }

    /// A résumé. `version`: its owner's revision (`crate::accounts::Caller`).
    #[must_use]
    pub fn resume(id: Uuid, version: u64, ttls: &Ttls) -> Self {
        // It is made for each request: without a formatter.
        let mut spelled = Uuid::encode_buffer();
        let name = ["cache:resume:", id.hyphenated().encode_lower(&mut spelled)];
        Self { name: name.concat(), ttl: ttls.resume, kind: Kind::Resume, version }
    }
}

impl Kind {
    /// What metrics call it.
    #[must_use]
    pub const fn route(self) -> &'static str {
        match self {
            Self::Ai(route) => route,
            Self::Pricing => "pricing",
            Self::Subscription => "subscription",
            Self::Resume => "resume",
        }
    }

    /// How long loading one may take; also how long others wait for it.
    pub(super) const fn longest_load(self) -> Duration {
        match self {
            Self::Ai(_) => AI_LOAD,
            Self::Pricing | Self::Subscription | Self::Resume => DATABASE_LOAD,
        }
    }

    /// Whether one process loads while others wait. What comes out of the database costs less than
    /// asking who loads it.
    pub(super) const fn is_dear(self) -> bool {
        matches!(self, Self::Ai(_))
    }
}
