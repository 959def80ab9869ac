//! The native run: one gate, a ledger behind it, and a clock that only a step moves.

use crate::check::{self, Outcome};
use crate::facts::RecipeRequest;
pub use crate::ledger::Changes;
use crate::ledger::LedgerService;
use crate::recipe::{LedgerState, Recipe, Send, Step};
use limits::block::Block;
use limits::counter::CounterName;
use limits::gate::{
    self, Answer, Call, CallKind, Disposition, Gate, Release, Released, Reply, ResponseFacts,
    SharedData,
};
use limits::plan::Plan;
use limits::policy::Policy;
use limits::quota::Quota;
use limits::wire::DecideBody;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// More calls than one request can cause.
const MAX_CALLS: usize = 100;

/// The state of a run.
#[derive(Debug)]
pub struct World<'a> {
    recipe: &'a Recipe,
    policy: Policy,
    gate: Gate,
    ledger: LedgerService,
    ledger_state: LedgerState,
    process: Process,
    now_ms: u64,
    streams: u64,
    /// The bodies of the decide calls that the last request caused.
    asked: Vec<DecideBody>,
}

/// Runs a recipe natively. Returns all differences, each with its step.
#[must_use]
pub fn run(recipe: &Recipe) -> Vec<String> {
    let mut world = match World::new(recipe) {
        Ok(world) => world,
        Err(error) => return vec![error],
    };
    let steps = recipe.steps.iter().enumerate();
    let found = steps.flat_map(|(at, step)| {
        let differences = world.step(step);
        differences.into_iter().map(move |text| format!("step {}: {text}", at + 1))
    });
    found.collect()
}

impl<'a> World<'a> {
    /// Loads the recipe's policy into a gate.
    ///
    /// # Errors
    /// Fails with the policy's mistakes.
    pub fn new(recipe: &'a Recipe) -> Result<Self, String> {
        let policy = Policy::from_value(recipe.policy());
        let policy = policy.map_err(|errors| format!("the policy is invalid: {errors}"))?;
        Ok(Self {
            recipe,
            gate: Gate::new(policy.clone()),
            policy,
            ledger: LedgerService::new(),
            ledger_state: LedgerState::Up,
            process: Process::default(),
            now_ms: recipe.start,
            streams: 0,
            asked: Vec::new(),
        })
    }

    /// Lets the step's time pass, and takes the ledger away or brings it back.
    pub fn prepare(&mut self, step: &Step) {
        if let Some(after) = step.after {
            self.now_ms += u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        }
        if let Some(state) = step.ledger {
            self.ledger_state = state;
        }
    }

    /// Runs a step. Returns all differences.
    pub fn step(&mut self, step: &Step) -> Vec<String> {
        self.prepare(step);
        if let Err(error) = self.top_up(step) {
            return vec![error];
        }
        for time in 1..=step.send.times {
            let differences = match self.send(&step.send) {
                Ok(outcome) => check::differences(&step.expect, &outcome, time == step.send.times),
                Err(error) => vec![error],
            };
            if !differences.is_empty() {
                return differences
                    .into_iter()
                    .map(|text| format!("time {time}: {text}"))
                    .collect();
            }
        }
        Vec::new()
    }

    /// Tops up the balances that a step says, of its request's payer. Returns each with the amount.
    ///
    /// # Errors
    /// Fails if the request is not charged to a balance.
    pub fn top_up(&mut self, step: &Step) -> Result<Vec<(CounterName, u64)>, String> {
        let mut top_ups = Vec::new();
        for (bucket, amount) in &step.top_up {
            let facts = RecipeRequest::new(self.recipe, &step.send);
            let explained = self.policy.explain(&facts).map_err(|error| error.to_string())?;
            let charge = explained.charges.iter().find(|charge| charge.bucket.name == *bucket);
            let counter = charge.ok_or(format!("the request is not charged to {bucket}"))?;
            self.ledger.top_up(self.now_ms, counter.counter.clone(), *amount)?;
            top_ups.push((counter.counter.clone(), *amount));
        }
        Ok(top_ups)
    }

    /// Sends a request and returns its outcome.
    ///
    /// # Errors
    /// Fails if the plan, its explanation and the gate's call do not agree.
    pub fn send(&mut self, send: &Send) -> Result<Outcome, String> {
        let facts = RecipeRequest::new(self.recipe, send);
        let plan = self.policy.plan(&facts);
        self.require_explained(&facts, plan.as_ref().ok())?;
        self.asked.clear();
        self.ledger.forget_changes();
        self.streams += 1;
        let stream = self.streams;
        let mut released = self.gate.tick(self.now_us(), &self.process);
        released.extend(self.calls()?);
        let release = match self.gate.request(self.now_us(), stream, &facts, &self.process) {
            Disposition::Release(release) => release,
            Disposition::Pause => {
                released.extend(self.calls()?);
                let own = released.into_iter().find(|one| one.stream == stream);
                own.ok_or("the gate did not release the request")?.release
            }
        };
        self.require_asked(plan.as_ref().ok())?;
        let mut outcome = self.respond(stream, send, release)?;
        if let Ok(plan) = plan {
            self.add_plan(&plan, &mut outcome);
        }
        Ok(outcome)
    }

    /// Returns the counters that the last request changed, and the settles that it caused, by
    /// identity.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        self.ledger.changes()
    }

    fn now_us(&self) -> u64 {
        self.now_ms * 1_000
    }

    /// Makes all due calls and answers them. Returns the released requests.
    fn calls(&mut self) -> Result<Vec<Released>, String> {
        let mut released = Vec::new();
        for _ in 0..MAX_CALLS {
            self.gate.take_wake(self.now_us());
            let calls = self.gate.ready(self.now_us());
            if calls.is_empty() {
                return Ok(released);
            }
            for call in calls {
                let body = self.answer(&call)?;
                let reply = body.as_deref().map_or(Reply::default(), |body| Reply {
                    status: Some(b"200"),
                    marker: Some(limits::wire::MARKER_VALUE.as_bytes()),
                    body,
                });
                released.extend(self.gate.reply(
                    self.now_us(),
                    call.id,
                    call.kind,
                    reply,
                    &self.process,
                ));
            }
        }
        Err(format!("the gate made more than {MAX_CALLS} calls"))
    }

    /// Returns the ledger's answer to a call; `None` while it is down.
    fn answer(&mut self, call: &Call) -> Result<Option<Vec<u8>>, String> {
        if call.kind == CallKind::Decide {
            let body = limits::json::parse(&call.body).map_err(|error| error.to_string())?;
            self.asked.push(body);
        }
        if self.ledger_state == LedgerState::Down {
            return Ok(None);
        }
        let reply = match call.kind {
            CallKind::Decide => serde_json::to_vec(&self.ledger.decide(self.now_ms, &call.body)?),
            CallKind::Settle => serde_json::to_vec(&self.ledger.settle(self.now_ms, &call.body)?),
            CallKind::Probe => Ok(b"{}".to_vec()),
        };
        reply.map(Some).map_err(|error| error.to_string())
    }

    /// Passes the upstream's response, or the gateway's answer, to the client.
    fn respond(&mut self, stream: u64, send: &Send, release: Release) -> Result<Outcome, String> {
        let mut outcome = match release {
            Release::Refuse(answer) => answered(send, Arc::unwrap_or_clone(answer)),
            Release::Pass(summary) => Outcome {
                status: send.upstream.status,
                headers: lowercase(&send.upstream.headers),
                log: Some(summary),
                ..Outcome::default()
            },
        };
        let now_us = self.now_us();
        let response = self.gate.response(stream, &Shown(&outcome), || now_us);
        for (name, value) in response.headers {
            outcome.headers.retain(|(own, _)| own != name);
            outcome.headers.push((name.to_owned(), value));
        }
        self.gate.done(stream);
        self.calls()?;
        Ok(outcome)
    }

    /// Checks that the gate asked the ledger for what the plan says, if it asked.
    fn require_asked(&self, plan: Option<&Plan>) -> Result<(), String> {
        let Some(asked) = self.asked.iter().flat_map(|body| &body.requests).last() else {
            return Ok(());
        };
        let mut asked = asked.charges.clone();
        for charge in &mut asked {
            charge.lease = None;
            charge.block = charge.block.map(|block| Block { refused: None, ..block });
        }
        let planned = plan.map(|plan| plan.charges.iter().map(|one| one.charge.clone()).collect());
        if planned.as_ref() == Some(&asked) {
            return Ok(());
        }
        Err(format!("the gate asked for {asked:?}, but the plan is {planned:?}"))
    }

    /// Checks that `explain` says what the plan does.
    fn require_explained(
        &self,
        facts: &RecipeRequest<'_>,
        plan: Option<&Plan>,
    ) -> Result<(), String> {
        let explained = self.policy.explain(facts).ok();
        let reasons = explained.as_ref().map(|explained| {
            let charges = explained.charges.iter().filter(|one| one.cost > 0);
            let charges = charges.filter_map(|one| {
                Some((one.bucket.name.as_str(), &one.counter, one.quota?, one.cost))
            });
            (explained.matched.clone(), sorted(charges.collect()))
        });
        let planned = plan.map(|plan| {
            let charges = plan.charges.iter().map(|one| {
                let bucket = self.policy.buckets.get(one.bucket);
                let bucket = bucket.map_or("", |bucket| bucket.name.as_str());
                (bucket, &one.charge.counter, one.charge.quota, one.charge.cost.get())
            });
            (plan.matched.clone(), sorted(charges.collect()))
        });
        if reasons == planned {
            return Ok(());
        }
        Err(format!("explain says {reasons:?}, but the plan is {planned:?}"))
    }

    /// Adds a plan, by the names in the policy.
    fn add_plan(&self, plan: &Plan, outcome: &mut Outcome) {
        outcome.rule = Some(self.policy.matched_name(&plan.matched).into_owned());
        let charges = outcome.charges.insert(BTreeMap::new());
        for one in &plan.charges {
            let Some(bucket) = self.policy.buckets.get(one.bucket) else { continue };
            charges.insert(bucket.name.clone(), one.charge.cost.get());
            let limit = match one.charge.quota {
                Quota::Balance(balance) => balance.start.get(),
                quota => quota.limit(),
            };
            outcome.limits.insert(bucket.name.clone(), limit);
        }
    }
}

/// One charge: the bucket, the counter, the quota and the cost.
type Reason<'a> = (&'a str, &'a CounterName, Quota, u64);

/// Sorts charges by their buckets. A plan orders them by bucket, and an explanation by rule.
fn sorted(mut charges: Vec<Reason<'_>>) -> Vec<Reason<'_>> {
    charges.sort_by_key(|(bucket, ..)| *bucket);
    charges
}

/// A response, as the gate reads it.
struct Shown<'a>(&'a Outcome);

impl ResponseFacts for Shown<'_> {
    fn outcome(&self) -> gate::Outcome {
        let cache = self.0.header("x-cache");
        let is_cache_hit = cache.is_some_and(|it| it.eq_ignore_ascii_case("hit"));
        gate::Outcome { status: self.0.status, is_cache_hit }
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.0.header(name).map(String::into_bytes)
    }
}

/// Renders the gateway's own answer, as the filter and Envoy send it.
fn answered(send: &Send, answer: Answer) -> Outcome {
    let mut headers: Vec<(String, String)> =
        answer.headers.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
    let log = Some(answer.summary);
    if send.is_grpc() {
        headers.retain(|(name, _)| name != "content-type");
        headers.push(("content-type".to_owned(), "application/grpc".to_owned()));
        headers.push(("grpc-status".to_owned(), answer.grpc_status.to_string()));
        headers.push(("grpc-message".to_owned(), answer.detail));
        return Outcome { status: 200, headers, log, ..Outcome::default() };
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Outcome { status: answer.status, headers, body, log, ..Outcome::default() }
}

fn lowercase(headers: &BTreeMap<String, String>) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}

/// The shared data of a gateway process.
#[derive(Debug, Default)]
struct Process(RefCell<HashMap<String, (Vec<u8>, u32)>>);

impl SharedData for Process {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(name).cloned()
    }

    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut values = self.0.borrow_mut();
        let found = values.get(name).map_or(0, |(_, version)| *version);
        let fits = version.is_none_or(|version| version == found);
        if fits {
            values.insert(name.to_owned(), (value.to_vec(), found + 1));
        }
        fits
    }
}
