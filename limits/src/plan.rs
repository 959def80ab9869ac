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
use crate::matching::Seen;
use crate::path::{BadPath, NormalPath};
use crate::policy::{Bucket, Counting, Policy, RuleCharge};
use crate::quota::Quota;
use crate::wire::{Charge, Cost};
pub use choose::{ChosenLimit, Effect, Reason, Subject};

/// The rule that matched a request, and the charges to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The index of the matching rule in [`Policy::rules`]; `None` if no rule matched.
    pub rule: Option<usize>,
    /// The rule's charges; empty for an exemption.
    pub charges: Vec<PlannedCharge>,
    /// The buckets whose limit is 0, as indices in [`Policy::buckets`]. Those that are enforced
    /// refuse the request.
    pub blocked: Vec<usize>,
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
    /// Finds the rule that matches a request, and the charges it makes.
    ///
    /// # Errors
    /// [`BadPath`] if the path cannot be normalized; the gateway answers such a request with 400.
    pub fn plan(&self, facts: &impl Facts) -> Result<Plan, BadPath> {
        let path = facts.path().map(|raw| NormalPath::parse(&raw)).transpose()?;
        let seen = Seen::new(facts, path);
        let fits = |at: &usize| self.rules.get(*at).is_some_and(|it| it.matching.fits(self, &seen));
        let found = self.candidates(seen.path(), || seen.host()).find(fits);
        let charge = found.and_then(|at| self.rules.get(at)).map(|rule| rule.charge.as_slice());
        let mut plan = Plan {
            rule: found,
            charges: Vec::new(),
            blocked: Vec::new(),
            failed: seen.into_failed(),
        };
        for charge in charge.unwrap_or_default() {
            let Some(planned) = self.planned(charge, facts, &mut |_| {}) else { continue };
            if planned.is_blocked() {
                plan.blocked.push(charge.bucket);
            } else if let Some((made, logged)) = planned.charge(self, facts) {
                plan.charges.push(PlannedCharge { bucket: charge.bucket, charge: made, logged });
            }
        }
        Ok(plan)
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
        let logged = if policy.logs_keys { payer.logged(policy) } else { Vec::new() };
        let counter = self.counter(policy, &payer)?;
        let (enforce, block) = (self.bucket.enforce, self.bucket.block);
        Some((Charge { counter, quota, cost, enforce, lease: None, block }, logged))
    }
}

#[cfg(test)]
pub(crate) mod tests;
