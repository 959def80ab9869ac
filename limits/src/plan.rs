//! The charges for one request: the policy applied to the request's facts.
//!
//! Called by [`crate::gate`] for each request; calls [`crate::path`], [`crate::key`] and
//! [`crate::counter`].

use crate::counter::CounterName;
use crate::facts::Facts;
use crate::key;
use crate::matching::Seen;
use crate::path::{BadPath, NormalPath};
use crate::policy::{Algorithm, Bucket, LimitChoice, Match, Policy};
use crate::quota::{FixedWindow, Limit, Quota, SlidingWindow};
use crate::wire::{Charge, Cost};

/// The rule that matched a request, and the charges to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The index of the matching rule in [`Policy::rules`]; `None` if no rule matched.
    pub rule: Option<usize>,
    /// The rule's charges; empty for an exemption.
    pub charges: Vec<PlannedCharge>,
}

/// One charge of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCharge {
    /// The bucket's index in [`Policy::buckets`].
    pub bucket: usize,
    /// The charge to send to the ledger.
    pub charge: Charge,
}

impl Policy {
    /// Finds the rule that matches a request, and the charges it makes.
    ///
    /// # Errors
    /// [`BadPath`] if the path cannot be normalized; the gateway answers such a request with 400.
    pub fn plan(&self, facts: &impl Facts) -> Result<Plan, BadPath> {
        let path = facts.path().map(|raw| NormalPath::parse(&raw)).transpose()?;
        let seen = Seen::new(facts, path);
        let matches = |matching: &Match| matching.mismatch(self, &seen).is_none();
        let found = self.rules.iter().position(|rule| matches(&rule.matching));
        let charge = found.and_then(|at| self.rules.get(at)).map(|rule| rule.charge.as_slice());
        let charges = charge.unwrap_or_default().iter().filter_map(|at| self.planned(*at, facts));
        Ok(Plan { rule: found, charges: charges.collect() })
    }

    pub(crate) fn planned(&self, at: usize, facts: &impl Facts) -> Option<PlannedCharge> {
        let bucket = self.buckets.get(at)?;
        let identity = key::of_request(self, &bucket.key, facts).identity(self);
        let charge = Charge {
            counter: CounterName::new(&identity, &bucket.name).ok()?,
            quota: bucket.quota(bucket.limit.choose(facts)),
            cost: Cost::clamped(1),
            enforce: bucket.enforce,
            lease: None,
        };
        Some(PlannedCharge { bucket: at, charge })
    }
}

impl LimitChoice {
    /// Returns the limit for a request.
    pub fn choose(&self, facts: &impl Facts) -> Limit {
        match self {
            Self::Fixed(limit) => *limit,
            Self::By { values, otherwise, .. } => {
                let chosen = self.found(facts).and_then(|value| values.get(&value).copied());
                chosen.unwrap_or(*otherwise)
            }
        }
    }

    /// Returns the value that the limit is looked up by, even if no limit is defined for it.
    pub(crate) fn found(&self, facts: &impl Facts) -> Option<String> {
        let Self::By { source, .. } = self else { return None };
        String::from_utf8(key::text_of(source, facts)?).ok()
    }
}

impl Bucket {
    /// Returns the bucket's quota at `limit`.
    #[must_use]
    pub fn quota(&self, limit: Limit) -> Quota {
        match &self.algorithm {
            Algorithm::SlidingWindow { window_ms } => {
                Quota::SlidingWindow(SlidingWindow { limit, window_ms: *window_ms })
            }
            Algorithm::FixedWindow { per, time_zone } => {
                Quota::FixedWindow(FixedWindow { limit, per: *per, time_zone: *time_zone })
            }
            Algorithm::TokenBucket(bucket) => Quota::TokenBucket(*bucket),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
