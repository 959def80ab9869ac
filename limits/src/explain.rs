//! Why a request is charged what it is charged: the plan, with its reasons. Called by the operator's
//! tools; it asks the very functions that decide.

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
    /// What kept each rule before the one that matched from matching, in their order.
    pub passed_over: Vec<Mismatch>,
    /// The place of the rule that matched in [`Policy::rules`]; none if no rule did.
    pub rule: Option<usize>,
    /// What it charges; empty for an exemption.
    pub charges: Vec<Explained<'a>>,
}

/// One charge, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// Who pays.
    pub payer: Payer<'a>,
    /// The counter's stored name.
    pub counter: CounterName,
    /// What may be charged.
    pub quota: Quota,
    /// The value that was found where the limit is chosen by, if it is, and there was one.
    pub chosen_by: Option<String>,
}

impl Policy {
    /// What the request that `facts` tell of is charged, and why.
    ///
    /// # Errors
    /// [`BadPath`] where the path cannot be read: the request is answered with 400.
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
    use crate::plan::tests::{Told, shipped};

    #[test]
    fn what_is_explained_is_what_happens() {
        let policy = shipped();
        for told in [
            Told::get("/"),
            Told::get("/health"),
            Told::post("/api/auth/login"),
            Told::post("/api/ai/x").user("42", "pro"),
            Told::get("/api/me").user("42", "free"),
        ] {
            let (plan, explained) = (policy.plan(&told).unwrap(), policy.explain(&told).unwrap());
            assert_eq!(explained.rule, plan.rule);
            assert_eq!(explained.passed_over.len(), plan.rule.unwrap());
            let charges = plan.charges.iter().map(|one| (&one.charge.counter, &one.charge.quota));
            let reasons = explained.charges.iter().map(|one| (&one.counter, &one.quota));
            assert!(charges.eq(reasons), "{told:?}");
        }
        assert_eq!(policy.explain(&Told::get("/%2f")), Err(BadPath::EscapedSlash));
    }
}
