//! A user and their plan.

use jiff::Timestamp;
use resume::email::Email;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Someone who has signed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What tokens call them (`sub`).
    pub id: Uuid,
    /// What they log in with.
    pub email: Email,
    /// Their plan.
    pub tier: Tier,
    /// When they signed up, to the millisecond.
    pub created_at: Timestamp,
}

/// A plan. Its name in tokens is what the gateway chooses quotas by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// What everyone begins with.
    Free,
    /// The small paid plan.
    Starter,
    /// The large paid plan.
    Pro,
}

impl Tier {
    /// The name in tokens, replies and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Starter => "starter",
            Self::Pro => "pro",
        }
    }

    /// Its place among the plans, from the cheapest at 0.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Free => 0,
            Self::Starter => 1,
            Self::Pro => 2,
        }
    }

    /// The plan of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Free, Self::Starter, Self::Pro].into_iter().find(|tier| tier.as_str() == name)
    }
}

/// A user as replies show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserReply {
    id: Uuid,
    email: String,
    tier: Tier,
    created_at: Timestamp,
}

impl From<&User> for UserReply {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.as_str().to_owned(),
            tier: user.tier,
            created_at: user.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_has_one_name() {
        for tier in [Tier::Free, Tier::Starter, Tier::Pro] {
            assert_eq!(Tier::named(tier.as_str()), Some(tier));
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.as_str());
        }
        assert_eq!(Tier::named("Free"), None);
    }
}
