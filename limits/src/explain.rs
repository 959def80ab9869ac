//! Explains a plan: which rules matched a request, and why each charge is made. Called by the
//! operator's tools. Uses the same functions that decide live requests.

mod request;

use crate::ambiguous::Accepted;
use crate::counter::CounterName;
use crate::facts::Facts;
use crate::key::{self, Payer};
use crate::matched::{Entry, Matched};
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
    /// For each exemption and rule that was looked at and did not match, in order, the reason.
    pub passed_over: Vec<(Entry, Mismatch)>,
    /// The rules that matched.
    pub matched: Matched,
    /// The alternative that matches in the `any` of the exemption or rule that ends the search, then
    /// the one within it, and so on. Empty if it has no `any`.
    pub alternatives: Vec<usize>,
    /// Their charges, each of a different bucket; empty for an exemption.
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
    /// [`BadPath`] if the policy does not accept the path; the gateway answers such a request with
    /// 400.
    pub fn explain(&self, facts: &impl Facts) -> Result<Explanation<'_>, BadPath> {
        let raw = facts.path();
        let path = match raw.as_deref().map(NormalPath::parse).transpose() {
            Ok(path) => path,
            Err(bad) => {
                let accepted = self.accepted(facts, &raw.unwrap_or_default(), bad)?;
                let Accepted { facts, path, matched, passed_over, failed } = accepted;
                let seen = Seen::new(&facts, Some(&path));
                let explanation = self.explanation(&facts, &seen, matched, passed_over);
                return Ok(Explanation { failed, ..explanation });
            }
        };
        let seen = Seen::new(facts, path.as_ref());
        let (matched, passed_over) = self.matched_with_reasons(&seen);
        Ok(self.explanation(facts, &seen, matched, passed_over))
    }

    fn explanation<F: Facts>(
        &self,
        facts: &F,
        seen: &Seen<'_, F>,
        matched: Matched,
        passed_over: Vec<(Entry, Mismatch)>,
    ) -> Explanation<'_> {
        let exempt = matched.exempt.and_then(|at| self.exempt.get(at));
        let rule = matched.rule.and_then(|at| self.rules.get(at));
        let matching = exempt.or(rule.map(|rule| &rule.matching));
        let alternatives =
            matching.map(|matching| matching.alternatives(self, seen)).unwrap_or_default();
        let charges = self.all_explained(&matched, facts);
        Explanation {
            path: seen.path().cloned(),
            passed_over,
            matched,
            alternatives,
            charges,
            failed: seen.take_failed(),
        }
    }

    /// Explains the charges of all rules that matched, one for each bucket.
    fn all_explained(&self, matched: &Matched, facts: &impl Facts) -> Vec<Explained<'_>> {
        let mut all: Vec<Explained<'_>> = Vec::new();
        for one in self.charges_of(matched).filter_map(|charge| self.explained(charge, facts)) {
            match all.iter_mut().find(|earlier| earlier.bucket.name == one.bucket.name) {
                Some(earlier) => earlier.add(one),
                None => all.push(one),
            }
        }
        all
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

impl Explained<'_> {
    /// Adds the cost that another rule charges.
    fn add(&mut self, other: Self) {
        self.cost = self.cost.saturating_add(other.cost);
        for reason in other.reasons {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
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
            assert_eq!(explained.matched, plan.matched);
            assert_eq!(explained.passed_over.len(), plan.matched.rule.unwrap());
            let charges = plan.charges.iter().map(|one| (&one.charge.counter, &one.charge.quota));
            let reasons = explained.charges.iter();
            let reasons = reasons.map(|one| (&one.counter, one.quota.as_ref().unwrap()));
            assert!(charges.eq(reasons), "{request:?}");
        }
        assert_eq!(policy.explain(&FakeRequest::get("/%2f")), Err(BadPath::EscapedSlash));
    }
}
