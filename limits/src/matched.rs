//! Finds the rules that match a request. Called by [`crate::plan`] and [`crate::explain`], so that
//! an explanation always agrees with the decision.

use crate::facts::Facts;
use crate::matching::{Mismatch, Seen};
use crate::policy::{Policy, RuleCharge};
use std::borrow::Cow;

/// The most rules named in a log line.
const MAX_NAMED: usize = 16;

/// The rules that matched a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched {
    /// The index in [`Policy::exempt`] of the entry that exempts the request. No rule was looked at.
    pub exempt: Option<usize>,
    /// The matching rules with `continue`, in order, as indices in [`Policy::rules`].
    pub base: Vec<usize>,
    /// The index of the matching rule without `continue`, which ends the search; `None` if there is
    /// none.
    pub rule: Option<usize>,
}

/// An entry of the policy, in the order in which they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// Its index in [`Policy::exempt`].
    Exempt(usize),
    /// Its index in [`Policy::rules`].
    Rule(usize),
}

impl Matched {
    /// Returns all rules that matched, in order.
    pub fn rules(&self) -> impl Iterator<Item = usize> {
        self.base.iter().copied().chain(self.rule)
    }
}

impl Policy {
    /// Finds the rules that `seen` matches.
    pub(crate) fn matched<F: Facts>(&self, seen: &Seen<'_, F>) -> Matched {
        let exempt = self.exempt.iter().position(|exempt| exempt.fits(self, seen));
        let mut matched = Matched { exempt, ..Matched::default() };
        if matched.exempt.is_some() {
            return matched;
        }
        for at in self.candidates(seen.path(), || seen.host()) {
            match self.rules.get(at).filter(|rule| rule.matching.fits(self, seen)) {
                None => {}
                Some(rule) if rule.continues => matched.base.push(at),
                Some(_) => {
                    matched.rule = Some(at);
                    break;
                }
            }
        }
        matched
    }

    /// Does the same as [`Self::matched`], and returns the reason for each entry looked at that does
    /// not match.
    pub(crate) fn matched_with_reasons<F: Facts>(
        &self,
        seen: &Seen<'_, F>,
    ) -> (Matched, Vec<(Entry, Mismatch)>) {
        let (mut matched, mut passed_over) = (Matched::default(), Vec::new());
        for (at, exempt) in self.exempt.iter().enumerate() {
            match exempt.mismatch(self, seen) {
                Some(mismatch) => passed_over.push((Entry::Exempt(at), mismatch)),
                None => {
                    matched.exempt = Some(at);
                    return (matched, passed_over);
                }
            }
        }
        for (at, rule) in self.rules.iter().enumerate() {
            match rule.matching.mismatch(self, seen) {
                Some(mismatch) => passed_over.push((Entry::Rule(at), mismatch)),
                None if rule.continues => matched.base.push(at),
                None => {
                    matched.rule = Some(at);
                    break;
                }
            }
        }
        (matched, passed_over)
    }

    /// Returns the charges of all rules that matched, in order.
    pub(crate) fn charges_of(&self, matched: &Matched) -> impl Iterator<Item = &RuleCharge> {
        matched.rules().filter_map(|at| self.rules.get(at)).flat_map(|rule| &rule.charge)
    }

    /// Returns the name of `matched` for logs: the rules' names, joined by `+`. A rule without a
    /// name is called by its index, an entry of the exemption list `exempt[<index>]`. Returns `none`
    /// if nothing matched.
    #[must_use]
    pub fn matched_name(&self, matched: &Matched) -> Cow<'_, str> {
        if let Some(at) = matched.exempt {
            return Cow::Owned(format!("exempt[{at}]"));
        }
        let mut rules = matched.rules();
        let Some(first) = rules.next() else { return Cow::Borrowed("none") };
        let first = self.rule_name(first);
        let named = rules.by_ref().take(MAX_NAMED - 1);
        let names = named.fold(first, |names, at| names + "+" + self.rule_name(at));
        if rules.next().is_some() { names + "+…" } else { names }
    }

    fn rule_name(&self, at: usize) -> Cow<'_, str> {
        match self.rules.get(at).and_then(|rule| rule.name.as_deref()) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(at.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::FakeRequest;
    use serde_json::json;

    fn policy() -> Policy {
        let bucket = json!({ "key": "client", "limit": 10, "window": "1m" });
        let other = json!({ "key": "client", "limit": 99, "window": "1h" });
        Policy::from_value(json!({
            "version": 1,
            "keys": { "client": { "client_ip": {} } },
            "buckets": { "all": other, "search": bucket, "writes": bucket },
            "exempt": [{ "methods": ["OPTIONS"] }, { "paths": ["/health"] }],
            "rules": [
                { "name": "base", "charge": ["all"], "continue": true },
                { "match": { "methods": ["POST"] }, "charge": ["writes"], "continue": true },
                { "name": "search", "match": { "paths": ["/search"] }, "charge": ["search", "all"] },
                { "name": "free", "match": { "paths": ["/free"] }, "charge": [] },
            ],
        }))
        .unwrap()
    }

    fn check(request: &FakeRequest, name: &str, charges: &[(&str, u64)]) {
        let policy = policy();
        let plan = policy.plan(request).unwrap();
        let of_plan = plan.charges.iter().map(|planned| &planned.charge);
        let found: Vec<_> =
            of_plan.map(|charge| (charge.counter.bucket(), charge.cost.get())).collect();
        assert_eq!(found, charges, "{request:?}");
        assert_eq!(policy.matched_name(&plan.matched), name, "{request:?}");
        let explained = policy.explain(request).unwrap();
        assert_eq!(explained.matched, plan.matched);
        let explained = explained.charges.iter();
        let explained = explained.map(|one| (&one.counter, one.quota.as_ref().unwrap(), one.cost));
        let planned = plan.charges.iter().map(|planned| &planned.charge);
        assert!(explained.eq(planned.map(|one| (&one.counter, &one.quota, one.cost.get()))));
    }

    #[test]
    fn rules_that_continue_charge_in_addition_to_the_rule_that_follows() {
        check(&FakeRequest::get("/"), "base", &[("all", 1)]);
        check(&FakeRequest::post("/"), "base+1", &[("all", 1), ("writes", 1)]);
        check(&FakeRequest::get("/free"), "base+free", &[("all", 1)]);
    }

    #[test]
    fn a_log_line_names_a_bounded_number_of_rules() {
        let policy = policy();
        let name =
            |base, rule| policy.matched_name(&Matched { exempt: None, base, rule }).into_owned();
        assert_eq!(name(vec![], None), "none");
        assert_eq!(name(vec![], Some(2)), "search");
        assert_eq!(name(vec![0; 15], Some(2)), format!("{}search", "base+".repeat(15)));
        assert_eq!(name(vec![0; 16], Some(2)), format!("{}…", "base+".repeat(16)));
    }

    #[test]
    fn costs_of_a_bucket_charged_by_several_rules_add_up() {
        check(&FakeRequest::get("/search"), "base+search", &[("all", 2), ("search", 1)]);
        let both = [("all", 2), ("writes", 1), ("search", 1)];
        check(&FakeRequest::post("/search"), "base+1+search", &both);
    }

    #[test]
    fn the_exemption_list_comes_before_all_rules() {
        check(&FakeRequest::post("/health"), "exempt[1]", &[]);
        let preflight = FakeRequest { method: "OPTIONS", ..FakeRequest::get("/search") };
        check(&preflight, "exempt[0]", &[]);
    }
}
