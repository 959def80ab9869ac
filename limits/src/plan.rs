//! What one request is charged: the policy applied to what the request says of itself.
//!
//! Called by [`crate::gate`] for each request; calls [`crate::path`], [`crate::key`] and
//! [`crate::counter`].

use crate::counter::CounterName;
use crate::key;
use crate::path::{BadPath, NormalPath};
use crate::policy::{Algorithm, Bucket, LimitChoice, Policy, Rule};
use crate::quota::{FixedWindow, Limit, Quota, SlidingWindow, TokenBucket};
use crate::wire::{Charge, Cost};

/// What a request says of itself, asked for only as far as the policy needs it.
pub trait Facts {
    /// The `:method`, as sent.
    fn method(&self) -> Option<Vec<u8>>;
    /// The `:path`, as sent.
    fn path(&self) -> Option<Vec<u8>>;
    /// A request header's value, as sent; `name` is in lower case.
    fn header(&self, name: &str) -> Option<Vec<u8>>;
    /// A claim of the verified token; never from anything the client could write.
    fn claim(&self, name: &str) -> Option<Vec<u8>>;
    /// Whether there is a verified token.
    fn is_authenticated(&self) -> bool;
    /// The client's address as the gateway trusts it, `ip:port`.
    fn client_address(&self) -> Option<Vec<u8>>;
}

/// What one request is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The place of the rule that matched in [`Policy::rules`]; none if no rule did.
    pub rule: Option<usize>,
    /// What it charges; empty for an exemption.
    pub charges: Vec<PlannedCharge>,
}

/// One charge of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCharge {
    /// The bucket's place in [`Policy::buckets`].
    pub bucket: usize,
    /// What the ledger is asked.
    pub charge: Charge,
}

impl Policy {
    /// Finds the rule for a request, and what it charges to whom.
    ///
    /// # Errors
    /// [`BadPath`] where the path cannot be read: the request is to be answered with 400.
    pub fn plan(&self, facts: &impl Facts) -> Result<Plan, BadPath> {
        let path = facts.path().map(|raw| NormalPath::parse(&raw)).transpose()?;
        let method = facts.method().unwrap_or_default();
        let found = self.rules.iter().position(|rule| rule.matches(path.as_ref(), &method, facts));
        let charge = found.and_then(|at| self.rules.get(at)).map(|rule| rule.charge.as_slice());
        let charges = charge.unwrap_or_default().iter().filter_map(|at| self.planned(*at, facts));
        Ok(Plan { rule: found, charges: charges.collect() })
    }

    fn planned(&self, at: usize, facts: &impl Facts) -> Option<PlannedCharge> {
        let bucket = self.buckets.get(at)?;
        let identity = key::of_request(self, &bucket.key, facts);
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

impl Rule {
    /// A request without a path (CONNECT) is matched only by rules that name none.
    fn matches(&self, path: Option<&NormalPath>, method: &[u8], facts: &impl Facts) -> bool {
        let paths = self.paths.as_ref().is_none_or(|patterns| {
            path.is_some_and(|path| patterns.iter().any(|pattern| pattern.matches(path)))
        });
        paths
            && self.methods.as_ref().is_none_or(|all| all.iter().any(|m| m.as_bytes() == method))
            && self.authenticated.is_none_or(|wanted| wanted == facts.is_authenticated())
    }
}

impl LimitChoice {
    fn choose(&self, facts: &impl Facts) -> Limit {
        match self {
            Self::Fixed(limit) => *limit,
            Self::ByClaim { claim, values, otherwise } => facts
                .claim(claim)
                .and_then(|bytes| String::from_utf8(key::claim_text(&bytes)).ok())
                .and_then(|value| values.get(&value).copied())
                .unwrap_or(*otherwise),
        }
    }
}

impl Bucket {
    /// The bucket's quota at `limit`.
    #[must_use]
    pub fn quota(&self, limit: Limit) -> Quota {
        match &self.algorithm {
            Algorithm::SlidingWindow { window_ms } => {
                Quota::SlidingWindow(SlidingWindow { limit, window_ms: *window_ms })
            }
            Algorithm::FixedWindow { per, time_zone } => {
                Quota::FixedWindow(FixedWindow { limit, per: *per, time_zone: time_zone.clone() })
            }
            Algorithm::TokenBucket { rate, per_ms } => {
                Quota::TokenBucket(TokenBucket { rate: *rate, per_ms: *per_ms, burst: limit })
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
