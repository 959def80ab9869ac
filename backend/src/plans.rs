//! The plans: what each costs and what it gives.
//!
//! Shown by [`crate::routes::plans`]; the quotas are the gateway's to enforce, which counts by the
//! plan that a token names.

use crate::user::Tier;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// What a month of each plan costs, in US cents.
const PRICES_CENTS: [(Tier, u32); 3] = [(Tier::Free, 0), (Tier::Starter, 900), (Tier::Pro, 2900)];

/// How many AI requests a day each plan gives, as the gateway's policy has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AiLimits {
    /// On the free plan.
    pub free: u32,
    /// On the small paid plan.
    pub starter: u32,
    /// On the large paid plan.
    pub pro: u32,
}

impl AiLimits {
    /// The plan's.
    #[must_use]
    pub const fn of(self, tier: Tier) -> u32 {
        match tier {
            Tier::Free => self.free,
            Tier::Starter => self.starter,
            Tier::Pro => self.pro,
        }
    }

    /// The version of what is made from these, and from what is fixed here: a value that was cached
    /// under others is not used.
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

/// One plan as it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Plan {
    /// Its name.
    pub tier: Tier,
    /// What a month of it costs, in US cents.
    pub price_cents_per_month: u32,
    /// How many AI requests a day it gives.
    pub ai_requests_per_day: u32,
}

/// All plans, cheapest first.
#[must_use]
pub(crate) fn all(limits: AiLimits) -> [Plan; 3] {
    PRICES_CENTS.map(|(tier, price_cents_per_month)| Plan {
        tier,
        price_cents_per_month,
        ai_requests_per_day: limits.of(tier),
    })
}
