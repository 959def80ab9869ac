//! A model of a gateway that knows only what `explain` says, and that limits are limits.
//!
//! It holds for policies of [`crate::arbitrary`], which the passing of time does not affect.

use crate::check::Outcome;
use crate::facts::RecipeRequest;
use crate::recipe::{Recipe, Send};
use limits::counter::CounterName;
use limits::explain::Explained;
use limits::policy::Policy;
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
    /// The possible statuses. A request with two reasons to be refused can get either.
    pub statuses: Vec<u16>,
    /// The rule; `None` for a path that is refused.
    pub rule: Option<String>,
    /// The limit and the amount left of each enforced bucket that has a limit.
    pub shown: BTreeMap<String, (u64, u64)>,
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
            return Predicted { statuses: vec![400], rule: None, shown: BTreeMap::new() };
        };
        let rule = Some(self.policy.matched_name(&explained.matched).into_owned());
        let charges: Vec<&Explained<'_>> =
            explained.charges.iter().filter(|one| one.cost > 0).collect();
        let enforced = || charges.iter().filter(|one| one.bucket.enforce);
        if enforced().any(|one| one.quota.is_none()) {
            return Predicted { statuses: vec![403], rule, shown: BTreeMap::new() };
        }
        let mut statuses = Vec::new();
        if enforced().any(|one| one.cost > limit(one)) {
            statuses.push(403);
        }
        if enforced().any(|one| one.cost <= limit(one) && !self.fits(one)) {
            statuses.push(429);
        }
        let admitted = statuses.is_empty();
        if admitted {
            statuses.push(send.upstream.status);
            for one in &charges {
                if self.fits(one) {
                    *self.used.entry(one.counter.clone()).or_default() += one.cost;
                }
            }
        }
        let shown = enforced().filter(|one| limit(one) < UNLIMITED).map(|one| {
            let left = limit(one).saturating_sub(self.used(one));
            (one.bucket.name.clone(), (limit(one), left))
        });
        Predicted { statuses, rule, shown: shown.collect() }
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
    one.quota.map_or(0, |quota| quota.limit())
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
        if log.contains("by=denied_before") && !shown.is_empty() {
            expected.retain(|bucket, _| shown.contains_key(bucket));
            shown.values_mut().chain(expected.values_mut()).for_each(|(_, left)| *left = 0);
        }
        let fits = self.statuses.contains(&outcome.status)
            && self.rule == outcome.rule
            && shown == expected;
        let found = (outcome.status, &outcome.rule, shown);
        (!fits).then(|| format!("explain leads to {self:?}, found {found:?}"))
    }
}
