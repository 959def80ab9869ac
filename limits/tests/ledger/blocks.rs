//! Blocks for repeated refusals, against a record of every refusal and its date.
//!
//! A twin ledger without blocks gets the same charges, those that the block refused left out. It
//! shows which charges the limit refuses.

use super::world::{Algorithm, cases};
use limits::block::{AgeMs, Block, Refusals, Refused};
use limits::counter::{CounterName, Identity};
use limits::ledger::{
    Charge, Ledger, NEVER, Request, Settle, SettleCharge, SettleId, Standing, TimeMs,
};
use limits::quota::{Limit, WindowMs};
use limits::wire::{ChargeOutcome, Cost, LeaseAsk, LeaseWish, SettleAmount};
use proptest::prelude::*;

const FILE: &str = "proptest-regressions/ledger_blocks.txt";
const START_MS: u64 = 1_000_000;

/// An event after `wait_ms`.
#[derive(Debug, Clone)]
struct Step {
    wait_ms: u64,
    cost: u64,
    /// Refusals from memory, and their age.
    reported: Option<(u64, u64)>,
    lease: bool,
    /// Gives the last charge back first.
    refunds: bool,
    /// Repeats the charge.
    times: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait_ms = prop_oneof![4 => Just(0), 6 => 1..60_u64, 3 => 1..700_u64, 1 => 1..4_000_u64];
    let reported = prop::option::weighted(0.2, (1..6_u64, 0..1_200_u64));
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let step = (wait_ms, 1..4_u64, reported, flags, 1..4_u8).prop_map(
        |(wait_ms, cost, reported, (lease, refunds), times)| Step {
            wait_ms,
            cost,
            reported,
            lease,
            refunds,
            times,
        },
    );
    prop::collection::vec(step, 1..80)
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(vec![
        Algorithm::Sliding { limit: 3, window_ms: 500 },
        Algorithm::Sliding { limit: 200, window_ms: 100 },
        Algorithm::Fixed { limit: 4, period_ms: 300 },
        Algorithm::Tokens { rate: 1, per_ms: 100, burst: 3 },
    ])
}

fn blocks() -> impl Strategy<Value = Block> {
    let (after, for_ms) = (vec![1_u64, 2, 3, 7], vec![1_u64, 250, 3_000]);
    (prop::sample::select(after), prop::sample::select(for_ms)).prop_map(|(after, for_ms)| Block {
        after: Refusals::clamped(after),
        within_ms: WindowMs::clamped(1_000),
        for_ms: WindowMs::clamped(for_ms),
        refused: None,
    })
}

/// A counter with a block, its twin without, and the record of its refusals.
struct Bench {
    ledger: Ledger,
    twin: Ledger,
    algorithm: Algorithm,
    block: Block,
    enforce: bool,
    now_ms: u64,
    /// The dates of the refusals that no block has used up.
    refusals: Vec<u64>,
    until_ms: u64,
    settles: u64,
    last: Option<(u64, u64)>,
    counter: CounterName,
}

impl Bench {
    fn new(algorithm: Algorithm, block: Block) -> Self {
        Self {
            ledger: Ledger::new(1_000),
            twin: Ledger::new(1_000),
            algorithm,
            block,
            enforce: true,
            now_ms: START_MS,
            refusals: Vec::new(),
            until_ms: 0,
            settles: 0,
            last: None,
            counter: CounterName::new(&Identity::derive(b"", [b"a".as_slice()]), "b").unwrap(),
        }
    }

    fn charge(&self, now_ms: u64, cost: u64, block: Option<Block>) -> Charge {
        Charge {
            counter: self.counter.clone(),
            cost: Cost::clamped(cost),
            enforce: self.enforce,
            terms: self.algorithm.terms(now_ms),
            lease: None,
            block,
        }
    }

    /// Records `count` refusals dated `at_ms`, and starts a block if there are too many.
    fn refuse(&mut self, at_ms: u64, count: u64) {
        let oldest_ms = self.now_ms - self.block.within_ms.get();
        self.refusals.extend((0..count).map(|_| at_ms));
        self.refusals.retain(|at_ms| *at_ms > oldest_ms);
        if self.refusals.len() as u64 >= self.block.after.get() {
            self.until_ms = self.now_ms + self.block.for_ms.get();
            self.refusals.clear();
        }
    }

    fn is_blocked(&self) -> bool {
        self.now_ms < self.until_ms
    }

    /// Decides a charge, and checks the outcome against the record.
    fn decide(&mut self, step: &Step) -> Result<ChargeOutcome, TestCaseError> {
        let mut block = self.block;
        if let Some((count, ago_ms)) = step.reported {
            let (count, ago_ms) = (Refusals::clamped(count), AgeMs::clamped(ago_ms));
            block.refused = Some(Refused { count, ago_ms });
            if !self.is_blocked() {
                self.refuse(self.now_ms - ago_ms.get(), count.get());
            }
        }
        let mut plain = self.charge(self.now_ms, step.cost, None);
        plain.lease = step
            .lease
            .then(|| LeaseAsk { wish: LeaseWish::clamped(10), lease_ms: WindowMs::clamped(20) });
        let by_limit = self.twin.peek(self.now_ms, &plain).unwrap();
        if !self.is_blocked() && !by_limit.admitted && by_limit.retry_after_ms < NEVER {
            self.refuse(self.now_ms, 1);
        }
        let request = |charge: &Charge| Request::new(vec![charge.clone()]).unwrap();
        let charge = Charge { block: Some(block), ..plain.clone() };
        let decided = self.ledger.decide(self.now_ms, &request(&charge)).unwrap();
        let outcome = decided.charges[0];
        prop_assert_eq!(outcome.blocked, self.is_blocked());
        prop_assert_eq!(outcome.admitted, by_limit.admitted && !self.is_blocked());
        prop_assert_eq!(decided.admitted, outcome.admitted || !self.enforce);
        if !outcome.blocked {
            let twin = self.twin.decide(self.now_ms, &request(&plain)).unwrap();
            prop_assert_eq!(outcome, twin.charges[0]);
        }
        if outcome.admitted {
            self.last = Some((self.now_ms, step.cost));
        }
        Ok(outcome)
    }

    fn refund(&mut self) {
        let Some((decision_ms, cost)) = self.last.take() else { return };
        self.settles += 1;
        let charge = SettleCharge {
            counter: self.counter.clone(),
            terms: self.algorithm.terms(self.now_ms),
            amount: SettleAmount::GiveBack(Limit::clamped(cost)),
            lease_ms: None,
        };
        let id = SettleId::try_from(format!("s{}", self.settles)).unwrap();
        let settle = Settle::new(id, TimeMs::clamped(decision_ms), vec![charge]).unwrap();
        let settled = self.ledger.settle(self.now_ms, &settle).unwrap();
        assert_eq!(settled, self.twin.settle(self.now_ms, &settle).unwrap());
    }

    fn peek_at(&self, now_ms: u64, cost: u64) -> ChargeOutcome {
        self.ledger.peek(now_ms, &self.charge(now_ms, cost, Some(self.block))).unwrap()
    }
}

proptest! {
    #![proptest_config(cases(5_000, FILE))]

    /// A key is blocked if and only if the limit refused it so often, and for exactly so long. A
    /// blocked key is never admitted, and waiting for its retry time is enough.
    #[test]
    fn a_block_begins_with_the_last_refusal_and_ends_on_time(
        algorithm in algorithms(),
        block in blocks(),
        enforce in prop::bool::weighted(0.8),
        steps in steps(),
    ) {
        let mut bench = Bench { enforce, ..Bench::new(algorithm, block) };
        for step in &steps {
            bench.now_ms += step.wait_ms;
            if step.refunds {
                bench.refund();
            }
            for _ in 0..step.times {
                let outcome = bench.decide(step)?;
                if !outcome.admitted && outcome.retry_after_ms < NEVER {
                    let then_ms = bench.now_ms + outcome.retry_after_ms;
                    prop_assert!(bench.peek_at(then_ms, step.cost).admitted);
                    prop_assert!(!bench.peek_at(then_ms - 1, step.cost).admitted);
                }
                if outcome.blocked {
                    prop_assert_eq!(bench.now_ms + outcome.reset_ms, bench.until_ms);
                    prop_assert_eq!(outcome.remaining, 0);
                }
            }
        }
    }

    /// With more than 128 refusals in a block, one counts at most a 128th of the time longer.
    #[test]
    fn a_large_block_is_at_most_a_slot_early(
        waits_ms in prop::collection::vec(0..8_u64, 200..600),
    ) {
        let block = Block { after: Refusals::clamped(200), ..SHORT };
        let mut bench = Bench::new(Algorithm::Sliding { limit: 1, window_ms: 1 << 40 >> 10 }, block);
        let step = Step {
            wait_ms: 0,
            cost: 1,
            reported: None,
            lease: false,
            refunds: false,
            times: 1,
        };
        let mut dates_ms: Vec<u64> = Vec::new();
        for wait_ms in waits_ms {
            bench.now_ms += wait_ms;
            let charge = bench.charge(bench.now_ms, step.cost, Some(block));
            let decided = bench.ledger.decide(bench.now_ms, &Request::new(vec![charge]).unwrap());
            let outcome = decided.unwrap().charges[0];
            if outcome.admitted {
                continue;
            }
            dates_ms.push(bench.now_ms);
            let within = |ms: u64| {
                dates_ms.iter().filter(|at_ms| **at_ms + ms > bench.now_ms).count() >= 200
            };
            let slot_ms = SHORT.within_ms.get().div_ceil(128);
            if outcome.blocked {
                prop_assert!(within(SHORT.within_ms.get() + slot_ms));
                return Ok(());
            }
            prop_assert!(!within(SHORT.within_ms.get()));
        }
    }
}

const SHORT: Block = Block {
    after: Refusals::clamped(3),
    within_ms: WindowMs::clamped(1_000),
    for_ms: WindowMs::clamped(10_000),
    refused: None,
};

/// A bench whose limit of 1 is used up.
fn refusing() -> Bench {
    let mut bench = Bench::new(Algorithm::Sliding { limit: 1, window_ms: 60_000 }, SHORT);
    assert!(decide(&mut bench, |charge| charge).admitted);
    bench
}

fn decide(bench: &mut Bench, change: impl Fn(Charge) -> Charge) -> ChargeOutcome {
    let charge = change(bench.charge(bench.now_ms, 1, Some(bench.block)));
    bench.ledger.decide(bench.now_ms, &Request::new(vec![charge]).unwrap()).unwrap().charges[0]
}

#[test]
fn an_operators_reset_or_unblock_lifts_a_block() {
    let mut bench = refusing();
    let refused = [(); 3].map(|()| decide(&mut bench, |charge| charge));
    assert_eq!(refused.map(|outcome| outcome.blocked), [false, false, true]);
    assert!(bench.ledger.unblock(&bench.counter));
    assert!(!bench.ledger.unblock(&bench.counter));
    let outcome = decide(&mut bench, |charge| charge);
    assert_eq!((outcome.admitted, outcome.blocked), (false, false), "what was charged stays");
    for _ in 0..2 {
        decide(&mut bench, |charge| charge);
    }
    assert!(decide(&mut bench, |charge| charge).blocked);
    assert!(bench.ledger.reset(&bench.counter));
    assert!(decide(&mut bench, |charge| charge).admitted);
}

#[test]
fn overrides_and_costs_above_the_limit_do_not_count() {
    let mut bench = refusing();
    let until_ms = TimeMs::clamped(bench.now_ms + 5_000);
    for change in [
        |charge: &mut Charge, _| charge.cost = Cost::clamped(2),
        |charge: &mut Charge, until_ms| {
            charge.terms.standing = Standing::BlockedUntil(until_ms);
            let refused = Refused { count: Refusals::clamped(5), ago_ms: AgeMs::clamped(0) };
            charge.block = charge.block.map(|block| Block { refused: Some(refused), ..block });
        },
        |charge: &mut Charge, _| charge.terms.standing = Standing::Unlimited,
    ] {
        for _ in 0..5 {
            let outcome = decide(&mut bench, |mut charge| {
                change(&mut charge, until_ms);
                charge
            });
            assert!(!outcome.blocked, "{outcome:?}");
        }
    }
    let refused = [(); 3].map(|()| decide(&mut bench, |charge| charge).blocked);
    assert_eq!(refused, [false, false, true]);
    let unlimited = decide(&mut bench, |mut charge| {
        charge.terms.standing = Standing::Unlimited;
        charge
    });
    assert!(unlimited.admitted && !unlimited.blocked, "an unlimited key is not blocked");
}

#[test]
fn refusals_from_memory_under_an_operators_block_do_not_count_after_it() {
    for (ago_ms, is_blocked) in [(500, true), (501, false)] {
        let mut bench = refusing();
        let until_ms = TimeMs::clamped(bench.now_ms - 500);
        let outcome = decide(&mut bench, |mut charge| {
            charge.terms.standing = Standing::BlockedUntil(until_ms);
            let (count, ago_ms) = (Refusals::clamped(5), AgeMs::clamped(ago_ms));
            let refused = Some(Refused { count, ago_ms });
            charge.block = charge.block.map(|block| Block { refused, ..block });
            charge
        });
        assert_eq!(outcome.blocked, is_blocked, "{ago_ms}");
    }
}

#[test]
fn a_changed_or_removed_block_applies_from_the_next_decision() {
    let mut bench = refusing();
    for _ in 0..2 {
        decide(&mut bench, |charge| charge);
    }
    let block = |after: u64, for_ms: u64| Block {
        after: Refusals::clamped(after),
        for_ms: WindowMs::clamped(for_ms),
        ..SHORT
    };
    let mut with = |block: Option<Block>| decide(&mut bench, |charge| Charge { block, ..charge });
    assert!(!with(Some(block(5, 10_000))).blocked, "the refusals so far are kept");
    let started = with(Some(block(2, 7_000)));
    assert_eq!((started.blocked, started.reset_ms), (true, 7_000));
    let running = with(Some(block(2, 1)));
    assert_eq!((running.blocked, running.reset_ms), (true, 7_000), "a block keeps its end");
    assert!(!with(None).blocked, "without `block`, a block is not looked at");
}
