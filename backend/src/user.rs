//! A user and their plan.

use jiff::Timestamp;
use resume::email::Email;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The id, which tokens carry as `sub`.
    pub id: Uuid,
    /// The address for login.
    pub email: Email,
    /// Their plan.
    pub tier: Tier,
    /// The time of sign-up, to the millisecond.
    pub created_at: Timestamp,
}

/// A plan. The gateway selects quotas by its name in the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The plan of every new user.
    Free,
    /// The smaller paid plan.
    Starter,
    /// The larger paid plan.
    Pro,
}

impl Tier {
    /// Returns the name in tokens, replies and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Starter => "starter",
            Self::Pro => "pro",
        }
    }

    /// Returns the plan's rank, from 0 for the cheapest.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Free => 0,
            Self::Starter => 1,
            Self::Pro => 2,
        }
    }

    /// Returns the plan with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Free, Self::Starter, Self::Pro].into_iter().find(|tier| tier.as_str() == name)
    }
}

/// A user in replies.
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
