//! Explains a plan: which rule matched a request, and why each charge is made. Called by the
//! operator's tools. Uses the same functions that decide live requests.

mod request;

use crate::counter::CounterName;
use crate::facts::Facts;
use crate::key::{self, Payer};
use crate::matching::{Mismatch, Seen};
use crate::path::{BadPath, NormalPath};
use crate::policy::{Bucket, Policy};
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
    /// The rule's charges; empty for an exemption.
    pub charges: Vec<Explained<'a>>,
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
    /// The quota charged.
    pub quota: Quota,
    /// The value that the limit was looked up by, if the limit depends on one and the request has
    /// it.
    pub chosen_by: Option<String>,
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
        let charge = rule.and_then(|at| self.rules.get(at)).map(|rule| rule.charge.as_slice());
        let charges = charge.unwrap_or_default().iter();
        let charges = charges.filter_map(|at| self.explained(*at, facts)).collect();
        Ok(Explanation { path, passed_over, rule, charges })
    }

    fn explained(&self, at: usize, facts: &impl Facts) -> Option<Explained<'_>> {
        let planned = self.planned(at, facts)?;
        let bucket = self.buckets.get(at)?;
        Some(Explained {
            bucket,
            payer: key::of_request(self, &bucket.key, facts),
            counter: planned.charge.counter,
            quota: planned.charge.quota,
            chosen_by: bucket.limit.found(facts),
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
            let reasons = explained.charges.iter().map(|one| (&one.counter, &one.quota));
            assert!(charges.eq(reasons), "{request:?}");
        }
        assert_eq!(policy.explain(&FakeRequest::get("/%2f")), Err(BadPath::EscapedSlash));
    }
}
