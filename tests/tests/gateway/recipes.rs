//! Every recipe through a real Envoy, with the shipped filter, the shim and Redis.
//!
//! One Envoy has a listener for each recipe. Beside it, each recipe also runs natively: a counter
//! that the native run charges must exist in Redis under the same name.
//!
//! To run some of them: `RECIPE=costs cargo test -p tests --test gateway recipes`.

mod config;
mod stack;
mod token;

use limits::counter::CounterName;
use recipes::arbitrary;
use recipes::check::{self, Outcome};
use recipes::model::Model;
use recipes::recipe::{Recipe, Send, Step};
use recipes::world::World;
use stack::Stack;
use std::collections::BTreeMap;
use std::time::Duration;
use tests::gateway;

/// The recipes that run at the same time.
const AT_ONCE: usize = 4;
/// The longest time that a step can let pass here. After a longer one, the rest only runs natively.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// Envoy's clock and the ledger's are not the one that this test sleeps by.
const MARGIN: Duration = Duration::from_millis(50);

#[test]
fn every_recipe_does_what_it_says() {
    let wanted = option_env!("RECIPE").unwrap_or_default();
    let mut all = recipes::all().unwrap_or_else(|mistakes| panic!("{mistakes}"));
    all.retain(|recipe| recipe.only_native.is_none() && recipe.name.contains(wanted));
    assert!(!all.is_empty());
    let stack = Stack::start(&all).unwrap();
    let found = of_each(&all, |recipe| failures(&stack, recipe));
    assert_eq!(gateway::crashes(stack.envoy()), 0, "the filter crashed");
    assert!(found.is_empty(), "{} failures:\n{}", found.len(), found.join("\n"));
}

/// The seeds of the random policies.
const SEEDS: std::ops::RangeInclusive<u8> = 1..=20;
/// The requests to each random policy.
const REQUESTS: usize = 50;

#[test]
fn the_gateway_does_what_explain_says() {
    let all: Vec<Recipe> =
        SEEDS.map(|seed| arbitrary::of_seed(seed, REQUESTS).expect("a recipe")).collect();
    let stack = Stack::start(&all).unwrap();
    let found = of_each(&all, |recipe| disagreements(&stack, recipe));
    assert_eq!(gateway::crashes(stack.envoy()), 0, "the filter crashed");
    assert!(found.is_empty(), "{} failures:\n{}", found.len(), found.join("\n"));
}

/// Compares the gateway's outcomes with what `explain` leads to, until they differ.
fn disagreements(stack: &Stack, recipe: &Recipe) -> Vec<String> {
    let mut model = Model::new(recipe).expect("a valid policy");
    for (at, step) in recipe.steps.iter().enumerate() {
        let predicted = model.predict(&step.send);
        let difference = match stack.send(recipe, &step.send) {
            Ok(outcome) => predicted.difference(&outcome),
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(difference) = difference {
            let (name, policy) = (&recipe.name, recipe.policy());
            return vec![format!(
                "{name}: request {at}: {difference}\n  {:?}\n  routes: {:?}\n  {policy}",
                step.send, recipe.routes
            )];
        }
    }
    Vec::new()
}

/// Calls `run` for each recipe, for several at the same time, and returns all that they return.
fn of_each(all: &[Recipe], run: impl Fn(&Recipe) -> Vec<String> + Sync) -> Vec<String> {
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..AT_ONCE)
            .map(|first| {
                let (share, run) = (all.iter().skip(first).step_by(AT_ONCE), &run);
                scope.spawn(move || share.flat_map(run).collect::<Vec<String>>())
            })
            .collect();
        shares.into_iter().flat_map(|share| share.join().unwrap_or_else(panicked)).collect()
    })
}

fn panicked(payload: Box<dyn std::any::Any + std::marker::Send>) -> Vec<String> {
    std::panic::resume_unwind(payload)
}

/// Runs a recipe. Returns all differences, each with the recipe and its step.
fn failures(stack: &Stack, recipe: &Recipe) -> Vec<String> {
    let mut run = match Run::new(stack, recipe) {
        Ok(run) => run,
        Err(error) => return vec![format!("tests/recipes/{}.yaml: {error}", recipe.name)],
    };
    let mut found = Vec::new();
    for (at, step) in recipe.steps.iter().enumerate() {
        if step.after.is_some_and(|after| after > LONGEST_PAUSE) || step.ledger.is_some() {
            break;
        }
        let differences = run.step(step).into_iter();
        found
            .extend(differences.map(|text| {
                format!("tests/recipes/{}.yaml: step {}: {text}", recipe.name, at + 1)
            }));
    }
    found
}

/// A recipe's run through Envoy, beside the native one.
struct Run<'a> {
    stack: &'a Stack,
    recipe: &'a Recipe,
    native: World<'a>,
    /// The settles so far, by identity.
    settled: BTreeMap<String, usize>,
}

impl<'a> Run<'a> {
    fn new(stack: &'a Stack, recipe: &'a Recipe) -> Result<Self, String> {
        Ok(Self { stack, recipe, native: World::new(recipe)?, settled: BTreeMap::new() })
    }

    fn step(&mut self, step: &Step) -> Vec<String> {
        self.native.prepare(step);
        if let Some(after) = step.after {
            std::thread::sleep(after + MARGIN);
        }
        let topped_up = self.native.top_up(step);
        let in_redis = |top_ups: Vec<(CounterName, u64)>| self.stack.top_up(top_ups);
        if let Err(error) = topped_up.and_then(in_redis) {
            return vec![error];
        }
        for time in 1..=step.send.times {
            let mut differences = match self.send(&step.send) {
                Ok(outcome) => check::differences(&step.expect, &outcome, time == step.send.times),
                Err(error) => vec![error],
            };
            differences.extend(self.differences_in_redis());
            if !differences.is_empty() {
                return differences
                    .into_iter()
                    .map(|text| format!("time {time}: {text}"))
                    .collect();
            }
        }
        Vec::new()
    }

    fn send(&mut self, send: &Send) -> Result<Outcome, String> {
        self.native.send(send)?;
        self.stack.send(self.recipe, send).map_err(|error| format!("{error:#}"))
    }

    /// Compares the counters with those of the native run, and waits until what it gave back has
    /// come back here too.
    fn differences_in_redis(&mut self) -> Vec<String> {
        let changes = self.native.changes();
        for tag in &changes.settled {
            *self.settled.entry(tag.clone()).or_default() += 1;
        }
        let missing = changes.charged.iter().filter(|counter| !self.stack.has(counter.as_str()));
        let mut found: Vec<String> =
            missing.map(|counter| format!("expected the counter {counter} in Redis")).collect();
        for tag in &changes.settled {
            let expected = self.settled.get(tag).copied().unwrap_or_default();
            if !self.stack.waits_for_settles(tag, expected) {
                found.push(format!("expected {expected} settles of the identity {tag}"));
            }
        }
        found
    }
}
