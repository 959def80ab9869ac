//! A model of a gateway that knows only what `explain` says, and that limits are limits.
//!
//! It holds for policies of [`crate::arbitrary`], which the passing of time does not affect.

use crate::check::Outcome;
use crate::facts::RecipeRequest;
use crate::recipe::{Recipe, Send};
use limits::counter::CounterName;
use limits::explain::Explained;
use limits::policy::Policy;
use limits::quota::Quota;
use std::collections::{BTreeMap, HashMap};

/// The counters so far.
#[derive(Debug)]
pub struct Model<'a> {
    recipe: &'a Recipe,
    policy: Policy,
    used: HashMap<CounterName, u64>,
}

/// A request's expected outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicted {
    /// The possible answers. A request with two reasons to be refused can get either.
    pub answers: Vec<Predictable>,
    /// The rule; `None` for a path that is refused.
    pub rule: Option<String>,
    /// The limit and the amount left of each enforced bucket that has a limit.
    pub shown: BTreeMap<String, (u64, u64)>,
}

/// A possible answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predictable {
    /// The status.
    pub status: u16,
    /// The bucket whose form the answer has: its body and a header name it.
    pub by: Option<String>,
}

impl<'a> Model<'a> {
    /// Creates a model without charges.
    ///
    /// # Errors
    /// Fails with the policy's mistakes.
    pub fn new(recipe: &'a Recipe) -> Result<Self, String> {
        let policy = Policy::from_value(recipe.policy()).map_err(|errors| errors.to_string())?;
        Ok(Self { recipe, policy, used: HashMap::new() })
    }

    /// Predicts the outcome of the next request, and charges for it.
    pub fn predict(&mut self, send: &Send) -> Predicted {
        let facts = RecipeRequest::new(self.recipe, send);
        let Ok(explained) = self.policy.explain(&facts) else {
            let answers = vec![Predictable { status: 400, by: None }];
            return Predicted { answers, rule: None, shown: BTreeMap::new() };
        };
        let rule = Some(self.policy.matched_name(&explained.matched).into_owned());
        let charges: Vec<&Explained<'_>> =
            explained.charges.iter().filter(|one| one.cost > 0).collect();
        let enforced = || charges.iter().filter(|one| one.bucket.enforce);
        if enforced().any(|one| one.quota.is_none()) {
            let refusing = enforced().filter(|one| one.quota.is_none());
            let answers = refusing.map(|one| self.refusal(one, 403)).collect();
            return Predicted { answers, rule, shown: BTreeMap::new() };
        }
        let refusing = enforced().filter(|one| !self.fits(one));
        let mut answers: Vec<Predictable> = refusing
            .map(|one| match one.quota {
                Some(Quota::Balance(_)) => self.refusal(one, 402),
                _ if one.cost > limit(one) => self.refusal(one, 403),
                _ => self.refusal(one, 429),
            })
            .collect();
        if answers.is_empty() {
            answers.push(Predictable { status: send.upstream.status, by: None });
            for one in &charges {
                if self.fits(one) {
                    *self.used.entry(one.counter.clone()).or_default() += one.cost;
                }
            }
        }
        let shown = enforced().filter(|one| limit(one) < UNLIMITED && one.bucket.visible);
        let shown = shown.map(|one| {
            let left = limit(one).saturating_sub(self.used(one));
            (one.bucket.name.clone(), (limit(one), left))
        });
        Predicted { answers, rule, shown: shown.collect() }
    }

    /// Returns the answer to a request that a bucket refuses, with `status` unless it has its own.
    fn refusal(&self, one: &Explained<'_>, status: u16) -> Predictable {
        let name = &one.bucket.name;
        let buckets = self.recipe.policy.get("buckets");
        let refusal = buckets.and_then(|buckets| buckets.get(name)?.get("refusal"));
        let own = refusal.and_then(|refusal| u16::try_from(refusal.get("status")?.as_u64()?).ok());
        Predictable { status: own.unwrap_or(status), by: refusal.map(|_| name.clone()) }
    }

    fn used(&self, one: &Explained<'_>) -> u64 {
        self.used.get(&one.counter).copied().unwrap_or(0)
    }

    fn fits(&self, one: &Explained<'_>) -> bool {
        self.used(one) + one.cost <= limit(one)
    }
}

/// The limit of a bucket that counts, but never refuses.
const UNLIMITED: u64 = limits::bounded::MAX_SAFE;

/// Returns the limit of a charge; 0 if it cannot be charged.
fn limit(one: &Explained<'_>) -> u64 {
    one.quota.map_or(0, |quota| match quota {
        Quota::Balance(balance) => balance.start.get(),
        quota => quota.limit(),
    })
}

impl Predicted {
    /// Returns the difference from an outcome, if there is one.
    #[must_use]
    pub fn difference(&self, outcome: &Outcome) -> Option<String> {
        let shown = outcome
            .limits
            .iter()
            .filter_map(|(bucket, limit)| Some((bucket.clone(), (*limit, outcome.left(bucket)?))));
        let mut shown: BTreeMap<_, _> = shown.collect();
        let mut expected = self.shown.clone();
        // A gateway that remembers a denial knows nothing of the request's other buckets, and not
        // what smaller requests have charged since.
        let log = outcome.log.as_deref().unwrap_or_default();
        let denied =
            log.split(' ').find_map(|word| word.strip_prefix("bucket=")).unwrap_or_default();
        if log.contains("by=denied_before")
            && expected.contains_key(denied) == shown.contains_key(denied)
        {
            expected.retain(|bucket, _| shown.contains_key(bucket));
            shown.values_mut().chain(expected.values_mut()).for_each(|(_, left)| *left = 0);
        }
        let by = outcome.header("x-refused-by");
        let has_form = |one: &Predictable| {
            let body = one.by.as_ref().map(|by| format!("refused by {by}"));
            one.status == outcome.status
                && one.by == by
                && body.is_none_or(|body| outcome.body.trim_matches('"') == body)
        };
        let fits =
            self.answers.iter().any(has_form) && self.rule == outcome.rule && shown == expected;
        let found = (outcome.status, by, &outcome.rule, shown);
        (!fits).then(|| format!("explain leads to {self:?}, found {found:?}"))
    }
}
