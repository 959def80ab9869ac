//! The charges for one request: the policy applied to the request's facts.
//!
//! Called by [`crate::gate`] for each request; calls [`crate::path`], [`crate::key`] and
//! [`crate::counter`].

mod choose;
mod number;
mod pace;
mod quota;

use crate::counter::CounterName;
use crate::facts::Facts;
use crate::key::{self, Payer};
use crate::matched::Matched;
use crate::matching::Seen;
use crate::path::{BadPath, NormalPath};
use crate::policy::{Bucket, Counting, Policy, RuleCharge};
use crate::quota::Quota;
use crate::wire::{Charge, Cost};
pub use choose::{ChosenLimit, Effect, Reason, Subject};

/// The rules that matched a request, and the charges to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The rules that matched.
    pub matched: Matched,
    /// Their charges, each of a different bucket; empty for an exemption.
    pub charges: Vec<PlannedCharge>,
    /// The buckets whose limit is 0. Those that are enforced refuse the request.
    pub blocked: Vec<Blocked>,
    /// The first error of a CEL condition.
    pub failed: Option<String>,
}

/// One charge of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCharge {
    /// The bucket's index in [`Policy::buckets`].
    pub bucket: usize,
    /// The charge to send to the ledger.
    pub charge: Charge,
    /// The payer's values that logs show, as `key.user="42"`.
    pub logged: Vec<String>,
}

/// A bucket whose limit is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Its index in [`Policy::buckets`].
    pub bucket: usize,
    /// The payer's values that logs show.
    pub logged: Vec<String>,
}

/// A rule's charge, applied to a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned<'a> {
    pub(crate) bucket: &'a Bucket,
    pub(crate) counting: &'a Counting,
    /// The quota; `None` if the limit is 0.
    pub(crate) quota: Option<Quota>,
    pub(crate) cost: u64,
}

impl Policy {
    /// Finds the rules that match a request, and the charges they make.
    ///
    /// # Errors
    /// [`BadPath`] if the policy does not accept the path; the gateway answers such a request with
    /// 400.
    pub fn plan(&self, facts: &impl Facts) -> Result<Plan, BadPath> {
        let raw = facts.path();
        let path = raw.as_deref().map(NormalPath::parse);
        if let Some(Err(bad)) = path {
            let accepted = self.accepted(facts, &raw.unwrap_or_default(), bad)?;
            return Ok(self.charged(accepted.matched, &accepted.facts, accepted.failed));
        }
        let seen = Seen::new(facts, path.as_ref().and_then(|path| path.as_ref().ok()));
        let matched = self.matched(&seen);
        Ok(self.charged(matched, facts, seen.take_failed()))
    }

    /// Returns the plan for a request that these rules matched. If several charge a bucket, their
    /// costs add up.
    fn charged(&self, matched: Matched, facts: &impl Facts, failed: Option<String>) -> Plan {
        let rules = matched.rules().filter_map(|at| self.rules.get(at));
        let mut charges: Vec<PlannedCharge> =
            Vec::with_capacity(rules.map(|rule| rule.charge.len()).sum());
        let mut blocked = Vec::<Blocked>::new();
        for charge in self.charges_of(&matched) {
            let Some(planned) = self.planned(charge, facts, &mut |_| {}) else { continue };
            let bucket = charge.bucket;
            if planned.is_blocked() {
                if blocked.iter().all(|earlier| earlier.bucket != bucket) {
                    let payer = key::of_request(self, &planned.bucket.key, facts);
                    blocked.push(Blocked { bucket, logged: payer.logged(self) });
                }
            } else if let Some((charge, logged)) = planned.charge(self, facts) {
                match charges.iter_mut().find(|earlier| earlier.bucket == bucket) {
                    Some(earlier) => earlier.add(charge.cost),
                    None => charges.push(PlannedCharge { bucket, charge, logged }),
                }
            }
        }
        Plan { matched, charges, blocked, failed }
    }

    /// Applies a rule's charge to a request. Passes the reasons for its numbers to `note`.
    pub(crate) fn planned<'a>(
        &'a self,
        charge: &'a RuleCharge,
        facts: &impl Facts,
        note: &mut impl FnMut(Reason<'a>),
    ) -> Option<Planned<'a>> {
        let bucket = self.buckets.get(charge.bucket)?;
        let counting = bucket.tier(facts, note);
        let limit = counting.limit.chosen(Subject::Limit, facts, note);
        let quota = counting.quota(limit, facts, note);
        let cost = charge.cost.chosen(Subject::Cost, facts, note);
        Some(Planned { bucket, counting, quota, cost })
    }
}

impl PlannedCharge {
    /// Adds the cost that another rule charges.
    fn add(&mut self, cost: Cost) {
        self.charge.cost = Cost::clamped(self.charge.cost.get().saturating_add(cost.get()));
    }
}

impl Planned<'_> {
    /// Returns true if the limit is 0, so that the request cannot be charged.
    pub(crate) const fn is_blocked(&self) -> bool {
        self.quota.is_none() && self.cost > 0
    }

    /// Returns the name of a payer's counter.
    pub(crate) fn counter(&self, policy: &Policy, payer: &Payer<'_>) -> Option<CounterName> {
        let identity = payer.identity(policy);
        let variant = self.counting.variant.as_deref();
        CounterName::of_variant(&identity, &self.bucket.name, variant).ok()
    }

    /// Returns the charge to send to the ledger, and the payer's values that logs show; `None` if
    /// the cost or the limit is 0.
    fn charge(&self, policy: &Policy, facts: &impl Facts) -> Option<(Charge, Vec<String>)> {
        let (cost, quota) = (Cost::new(self.cost).ok()?, self.quota?);
        let payer = key::of_request(policy, &self.bucket.key, facts);
        let logged = payer.logged(policy);
        let counter = self.counter(policy, &payer)?;
        let (enforce, block) = (self.bucket.enforce, self.bucket.block);
        Some((Charge { counter, quota, cost, enforce, lease: None, block }, logged))
    }
}

#[cfg(test)]
pub(crate) mod tests;
