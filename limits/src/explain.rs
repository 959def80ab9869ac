//! Explains a plan: which rule matched a request, and why each charge is made. Called by the
//! operator's tools. Uses the same functions that decide live requests.

mod request;

use crate::counter::CounterName;
use crate::facts::Facts;
use crate::key::{self, Payer};
use crate::matching::{Mismatch, Seen};
use crate::path::{BadPath, NormalPath};
use crate::plan::Reason;
use crate::policy::{Bucket, Policy, RuleCharge};
use crate::quota::Quota;
pub use request::Request;

/// A request's plan, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// The path as rules see it.
    pub path: Option<NormalPath>,
    /// For each rule before the matching one, in order, the reason it did not match.
    pub passed_over: Vec<Mismatch>,
    /// The index of the matching rule in [`Policy::rules`]; `None` if no rule matched.
    pub rule: Option<usize>,
    /// The alternative in the rule's `any` that matches, then the one within it, and so on. Empty
    /// if the rule has no `any`.
    pub alternatives: Vec<usize>,
    /// The rule's charges; empty for an exemption.
    pub charges: Vec<Explained<'a>>,
    /// The first error of a CEL condition.
    pub failed: Option<String>,
}

/// One charge, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// The payer.
    pub payer: Payer<'a>,
    /// The counter's stored name.
    pub counter: CounterName,
    /// The quota charged; `None` if the limit is 0, so that the bucket refuses every request.
    pub quota: Option<Quota>,
    /// The cost; 0 if nothing is charged.
    pub cost: u64,
    /// The reasons for the tier, the limit and the cost, if they depend on the request.
    pub reasons: Vec<Reason<'a>>,
}

impl Policy {
    /// Explains the charges for the request that `facts` describe.
    ///
    /// # Errors
    /// [`BadPath`] if the path cannot be normalized; the gateway answers such a request with 400.
    pub fn explain(&self, facts: &impl Facts) -> Result<Explanation<'_>, BadPath> {
        let path = facts.path().map(|raw| NormalPath::parse(&raw)).transpose()?;
        let seen = Seen::new(facts, path.clone());
        let mut passed_over = Vec::new();
        let mut rule = None;
        for (at, candidate) in self.rules.iter().enumerate() {
            match candidate.matching.mismatch(self, &seen) {
                Some(mismatch) => passed_over.push(mismatch),
                None => {
                    rule = Some(at);
                    break;
                }
            }
        }
        let matching = rule.and_then(|at| self.rules.get(at));
        let alternatives =
            matching.map(|rule| rule.matching.alternatives(self, &seen)).unwrap_or_default();
        let charge = matching.map(|rule| rule.charge.as_slice());
        let charges = charge.unwrap_or_default().iter();
        let charges = charges.filter_map(|charge| self.explained(charge, facts)).collect();
        Ok(Explanation {
            path,
            passed_over,
            rule,
            alternatives,
            charges,
            failed: seen.into_failed(),
        })
    }

    fn explained<'a>(
        &'a self,
        charge: &'a RuleCharge,
        facts: &impl Facts,
    ) -> Option<Explained<'a>> {
        let mut reasons = Vec::new();
        let planned = self.planned(charge, facts, &mut |reason| reasons.push(reason))?;
        let payer = key::of_request(self, &planned.bucket.key, facts);
        Some(Explained {
            bucket: planned.bucket,
            counter: planned.counter(self, &payer)?,
            payer,
            quota: planned.quota,
            cost: planned.cost,
            reasons,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{FakeRequest, shipped};

    #[test]
    fn explain_agrees_with_plan() {
        let policy = shipped();
        for request in [
            FakeRequest::get("/"),
            FakeRequest::get("/health"),
            FakeRequest::post("/api/auth/login"),
            FakeRequest::post("/api/ai/x").user("42", "pro"),
            FakeRequest::get("/api/me").user("42", "free"),
        ] {
            let (plan, explained) =
                (policy.plan(&request).unwrap(), policy.explain(&request).unwrap());
            assert_eq!(explained.rule, plan.rule);
            assert_eq!(explained.passed_over.len(), plan.rule.unwrap());
            let charges = plan.charges.iter().map(|one| (&one.charge.counter, &one.charge.quota));
            let reasons = explained.charges.iter();
            let reasons = reasons.map(|one| (&one.counter, one.quota.as_ref().unwrap()));
            assert!(charges.eq(reasons), "{request:?}");
        }
        assert_eq!(policy.explain(&FakeRequest::get("/%2f")), Err(BadPath::EscapedSlash));
    }
}
