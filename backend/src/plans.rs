//! The plans: their prices and quotas.
//!
//! Listed by [`crate::routes::plans`]. The gateway enforces the quotas, by the plan in the token.

use crate::user::Tier;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// Each plan's price per month, in US cents.
const PRICES_CENTS: [(Tier, u32); 3] = [(Tier::Free, 0), (Tier::Starter, 900), (Tier::Pro, 2900)];

/// Each plan's AI requests per day, as in the gateway's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AiLimits {
    /// The free plan's limit.
    pub free: u32,
    /// The starter plan's limit.
    pub starter: u32,
    /// The pro plan's limit.
    pub pro: u32,
}

impl AiLimits {
    /// Returns the plan's limit.
    #[must_use]
    pub const fn of(self, tier: Tier) -> u32 {
        match tier {
            Tier::Free => self.free,
            Tier::Starter => self.starter,
            Tier::Pro => self.pro,
        }
    }

    /// Returns a version for cached values that derive from these limits and the prices. A value
    /// cached under other numbers is never used.
    #[must_use]
    pub fn version(self) -> u64 {
        let prices = PRICES_CENTS.iter().map(|(_, cents)| *cents);
        let mut hash = Sha256::new();
        for number in [self.free, self.starter, self.pro].into_iter().chain(prices) {
            hash.update(number.to_be_bytes());
        }
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// A plan on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Plan {
    /// The plan's name.
    pub tier: Tier,
    /// The price per month in US cents.
    pub price_cents_per_month: u32,
    /// The AI requests per day.
    pub ai_requests_per_day: u32,
}

/// Returns all plans, cheapest first.
#[must_use]
pub(crate) fn all(limits: AiLimits) -> [Plan; 3] {
    PRICES_CENTS.map(|(tier, price_cents_per_month)| Plan {
        tier,
        price_cents_per_month,
        ai_requests_per_day: limits.of(tier),
    })
}
