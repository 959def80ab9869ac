//! Runs the same random histories through the scripts on real servers and through the model, and
//! compares every field of every answer.

use ledger::script::{self, Reply};
use limits::ledger::{
    Charge, Decided, Ledger, Refusal, Request, Settle, TopUp, TopUpEffect, ToppedUp,
};
use limits::wire::{ChargeOutcome, Settled};
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use redis::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use tests::ledger::history::{Event, World, history};
use tests::ledger::link::Link;
use tests::ledger::server::{LedgerServer, Script, bytes};

/// The maximum size of a counter: a head and 133 entries.
const MAX_VALUE_BYTES: usize = 20 + 133 * 13;

/// The saved histories that once differed. They run first on every server.
const SAVED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/ledger_differential.txt");

/// A call and the model's answer.
#[derive(Debug)]
enum Step {
    Decide(u64, Vec<Request>, Vec<Result<Decided, Refusal>>),
    Settle(u64, Vec<Settle>, Vec<Result<Settled, Refusal>>),
    Peek(u64, Charge, Result<ChargeOutcome, Refusal>),
    /// The keys to delete, and true if any existed.
    Reset(Vec<String>, bool),
    TopUp(u64, TopUp, ToppedUp),
    Size(String),
}

#[test]
fn redis_7_and_the_model_agree_on_every_history() {
    check_server(&LedgerServer::redis7());
}

#[test]
fn redis_8_and_the_model_agree_on_every_history() {
    check_server(&LedgerServer::redis8());
}

#[test]
fn valkey_8_and_the_model_agree_on_every_history() {
    check_server(&LedgerServer::valkey8());
}

#[test]
fn valkey_9_and_the_model_agree_on_every_history() {
    check_server(&LedgerServer::valkey9());
}

#[test]
fn a_cluster_and_the_model_agree_on_every_history() {
    check_server(&LedgerServer::cluster());
}

fn check_server(server: &LedgerServer) {
    let cases = 500;
    let saved = FileFailurePersistence::Direct(SAVED);
    let failure_persistence = Some(Box::new(saved) as _);
    let mut runner = TestRunner::new(Config { failure_persistence, cases, ..Config::default() });
    let link = RefCell::new(server.connect());
    let number = Cell::new(0);
    let tally = RefCell::new(Tally::default());
    let outcome = runner.run(&history(60), |events| {
        number.set(number.get() + 1);
        let steps = run_on_model(&mut World::new(number.get()), &events);
        tally.borrow_mut().add(&steps);
        check(server, &mut link.borrow_mut(), &steps, &mut tally.borrow_mut())
    });
    if let Err(failure) = outcome {
        panic!("{}: {failure}", server.name);
    }
    tally.borrow().require(u64::from(cases) / 20);
    for node in link.borrow_mut().all() {
        let keys: u32 = redis::cmd("DBSIZE").query(node).expect("a number");
        assert!(keys > cases / 3, "{}: a server with {keys} keys", server.name);
    }
}

/// Counts how often each kind of event occurred. Agreement proves nothing about events that never
/// occur.
#[derive(Debug, Default)]
struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    const KINDS: [&str; 15] = [
        "admitted",
        "denied",
        "shadow left out",
        "cost above the limit",
        "lease",
        "blocked",
        "clock",
        "settled",
        "not settled",
        "peeked",
        "forgotten",
        "never charged",
        "full log",
        "topped up",
        "topped up before",
    ];

    fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    fn add(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Decide(_, _, answers) => answers.iter().for_each(|one| self.add_decided(one)),
                Step::Settle(_, _, answers) => answers.iter().for_each(|answer| match answer {
                    Ok(settled) if settled.applied => self.count("settled"),
                    Ok(_) => self.count("not settled"),
                    Err(_) => self.count("clock"),
                }),
                Step::Peek(..) => self.count("peeked"),
                Step::Reset(_, true) => self.count("forgotten"),
                Step::Reset(_, false) => self.count("never charged"),
                Step::TopUp(_, _, ToppedUp { effect: TopUpEffect::Added, .. }) => {
                    self.count("topped up");
                }
                Step::TopUp(..) => self.count("topped up before"),
                Step::Size(_) => {}
            }
        }
    }

    fn add_decided(&mut self, answer: &Result<Decided, Refusal>) {
        let Ok(decided) = answer else { return self.count("clock") };
        self.count(if decided.admitted { "admitted" } else { "denied" });
        if decided.error.is_some() {
            self.count("cost above the limit");
        }
        if decided.admitted && decided.charges.iter().any(|charge| !charge.admitted) {
            self.count("shadow left out");
        }
        if decided.charges.iter().any(|charge| charge.lease.is_some()) {
            self.count("lease");
        }
        if decided.charges.iter().any(|charge| charge.blocked) {
            self.count("blocked");
        }
    }

    fn require(&self, least: u64) {
        for kind in Self::KINDS {
            let found = self.0.get(kind).copied().unwrap_or(0);
            assert!(found >= least, "{kind}: expected at least {least}, found {found}");
        }
    }
}

fn run_on_model(world: &mut World, events: &[Event]) -> Vec<Step> {
    let mut model = Ledger::new(1_000);
    let mut steps = Vec::new();
    for (at, event) in events.iter().enumerate() {
        world.select_payer(at);
        let now_ms = world.now_ms();
        match event {
            Event::Clock(by_ms) => world.move_clock(*by_ms),
            Event::Decide(batch) => {
                let requests = batch.iter().map(|specs| world.request(specs)).collect();
                steps.push(decide(&mut model, now_ms, requests));
            }
            Event::Runs(runs) => {
                for (spec, run) in runs {
                    for _ in 0..run.count {
                        let request = world.request(std::slice::from_ref(spec));
                        steps.push(decide(&mut model, world.now_ms(), vec![request]));
                        world.move_clock(run.step_ms);
                    }
                    steps.push(Step::Size(world.charge(spec).counter.to_string()));
                }
            }
            Event::Settle(batch) => {
                let settles: Vec<_> = batch.iter().map(|spec| world.settle(spec)).collect();
                let answers = settles.iter().map(|one| model.settle(now_ms, one)).collect();
                steps.push(Step::Settle(now_ms, settles, answers));
            }
            Event::Peek(spec) => {
                let charge = world.charge(spec);
                let answer = model.peek(now_ms, &charge);
                steps.push(Step::Peek(now_ms, charge, answer));
            }
            Event::Reset(family) => {
                let counter = world.counter(*family);
                let keys = vec![counter.to_string(), counter.refusals()];
                steps.push(Step::Reset(keys, model.reset(&counter)));
            }
            Event::Unblock(family) => {
                let counter = world.counter(*family);
                steps.push(Step::Reset(vec![counter.refusals()], model.unblock(&counter)));
            }
            Event::TopUp(id, amount) => {
                let top_up = world.top_up(*id, *amount);
                let answer = model.top_up(now_ms, &top_up).expect("enough room");
                steps.push(Step::TopUp(now_ms, top_up, answer));
            }
        }
    }
    for counter in world.counters() {
        steps.extend([Step::Size(counter.to_string()), Step::Size(counter.refusals())]);
    }
    steps
}

fn decide(model: &mut Ledger, now_ms: u64, requests: Vec<Request>) -> Step {
    let answers = requests.iter().map(|request| model.decide(now_ms, request)).collect();
    Step::Decide(now_ms, requests, answers)
}

/// Sends all steps to the server in one pipeline and compares the answers.
fn check(
    server: &LedgerServer,
    link: &mut Link,
    steps: &[Step],
    tally: &mut Tally,
) -> Result<(), TestCaseError> {
    let commands = steps.iter().map(|step| (key(step), command(server, step)));
    let replies = link.pipe(commands.collect());
    for (at, (step, reply)) in steps.iter().zip(&replies).enumerate() {
        check_step(step, reply, tally).map_err(|error| match error {
            TestCaseError::Fail(reason) => TestCaseError::fail(format!("step {at}: {reason}")),
            rejected => rejected,
        })?;
    }
    Ok(())
}

/// Returns one of the step's keys; all of them lie in the same slot.
fn key(step: &Step) -> &str {
    match step {
        Step::Decide(_, requests, _) => requests[0].charges()[0].counter.as_str(),
        Step::Settle(_, settles, _) => settles[0].charges()[0].counter.as_str(),
        Step::Peek(_, charge, _) => charge.counter.as_str(),
        Step::TopUp(_, top_up, _) => top_up.counter.as_str(),
        Step::Reset(keys, _) => &keys[0],
        Step::Size(key) => key,
    }
}

fn command(server: &LedgerServer, step: &Step) -> redis::Cmd {
    match step {
        Step::Decide(now_ms, requests, _) => {
            let call = script::decide(&requests.iter().collect::<Vec<_>>());
            server.command_at(Script::Decide, &call, *now_ms)
        }
        Step::Settle(now_ms, settles, _) => {
            let call = script::settle(&settles.iter().collect::<Vec<_>>());
            server.command_at(Script::Settle, &call, *now_ms)
        }
        Step::Peek(now_ms, charge, _) => {
            server.command_at(Script::Peek, &script::peek(&[charge]), *now_ms)
        }
        Step::TopUp(now_ms, top_up, _) => {
            server.command_at(Script::TopUp, &script::top_up(top_up), *now_ms)
        }
        Step::Reset(keys, _) => redis::cmd("UNLINK").arg(keys).clone(),
        Step::Size(key) => redis::cmd("STRLEN").arg(key).clone(),
    }
}

fn check_step(step: &Step, reply: &Value, tally: &mut Tally) -> Result<(), TestCaseError> {
    match step {
        Step::Decide(now_ms, requests, expected) => {
            let requests: Vec<_> = requests.iter().collect();
            let found = script::decided(&requests, &bytes(reply)).expect("a decision");
            assert_same(*now_ms, expected, &found)
        }
        Step::Settle(now_ms, settles, expected) => {
            let settles: Vec<_> = settles.iter().collect();
            let found = script::settled(&settles, &bytes(reply)).expect("a settle");
            assert_same(*now_ms, expected, &found)
        }
        Step::Peek(now_ms, charge, expected) => {
            let found = script::peeked(&[charge], &bytes(reply)).expect("a peek");
            assert_same(*now_ms, std::slice::from_ref(expected), &found)
        }
        Step::TopUp(now_ms, top_up, expected) => {
            let found = script::topped_up(top_up, &bytes(reply)).expect("a top-up");
            assert_same(*now_ms, std::slice::from_ref(expected), &found)
        }
        Step::Reset(_, expected) => {
            let found: u64 = redis::from_redis_value_ref(reply).expect("a number");
            prop_assert_eq!(*expected, found > 0);
            Ok(())
        }
        Step::Size(_) => {
            let found: usize = redis::from_redis_value_ref(reply).expect("a number");
            prop_assert!(found <= MAX_VALUE_BYTES, "{} bytes", found);
            if found + 13 >= MAX_VALUE_BYTES {
                tally.count("full log");
            }
            Ok(())
        }
    }
}

fn assert_same<T: PartialEq + std::fmt::Debug>(
    now_ms: u64,
    expected: &[T],
    found: &Reply<T>,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(now_ms, found.now_ms);
    prop_assert_eq!(expected, found.answers.as_slice());
    prop_assert!(found.damaged.is_empty(), "damaged: {:?}", found.damaged);
    Ok(())
}
