//! Balances: what was used never exceeds what was given, and nothing is denied without need.

use super::world::cases;
use limits::counter::{CounterName, Identity};
use limits::ledger::{
    Charge, Ledger, Method, NEVER, Refusal, Request, Settle, SettleCharge, SettleId,
    TOP_UP_REMEMBERED_MS, Terms, TimeMs, TopUp, TopUpEffect, ToppedUp,
};
use limits::quota::{Balance, Limit, MAX_BALANCE, Start, TopUpAmount};
use limits::wire::{ChargeOutcome, Cost, SettleAmount};
use proptest::prelude::*;

const FILE: &str = "proptest-regressions/ledger_balances.txt";
const START: u64 = 7;
const NOW_MS: u64 = 1_000_000;

/// A balance, and a plain record of what happened to it.
struct World {
    ledger: Ledger,
    now_ms: u64,
    /// The time at which the account was opened.
    since_ms: Option<u64>,
    given: u64,
    used: u64,
    /// The charges that can be given back: their times and the amounts left of them.
    charges: Vec<(u64, u64)>,
    top_ups: Vec<TopUp>,
    settles: u64,
}

impl World {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(1_000),
            now_ms: NOW_MS,
            since_ms: None,
            given: START,
            used: 0,
            charges: Vec::new(),
            top_ups: Vec::new(),
            settles: 0,
        }
    }

    fn terms() -> Terms {
        Terms::limited(Method::Balance(Balance { start: Start::clamped(START) }))
    }

    fn counter() -> CounterName {
        CounterName::new(&Identity::derive(b"", [b"balance".as_slice()]), "credits").unwrap()
    }

    fn charge_of(cost: u64) -> Charge {
        Charge {
            counter: Self::counter(),
            cost: Cost::new(cost).unwrap(),
            enforce: true,
            terms: Self::terms(),
            lease: None,
            block: None,
        }
    }

    fn charge(&mut self, cost: u64) -> ChargeOutcome {
        let request = Request::new(vec![Self::charge_of(cost)]).unwrap();
        let decided = self.ledger.decide(self.now_ms, &request).unwrap();
        assert_eq!(decided.error, None);
        if decided.admitted {
            self.since_ms.get_or_insert(self.now_ms);
            self.used += cost;
            self.charges.push((self.now_ms, cost));
        } else {
            assert_eq!(decided.retry_after_ms, NEVER);
        }
        decided.charges[0]
    }

    fn top_up(&mut self, amount: u64, id: &str) -> ToppedUp {
        let id = SettleId::try_from(id.to_owned()).unwrap();
        let amount = TopUpAmount::new(amount).unwrap();
        let top_up = TopUp { counter: Self::counter(), amount, id };
        let topped_up = self.ledger.top_up(self.now_ms, &top_up).unwrap();
        if topped_up.effect == TopUpEffect::Added {
            self.since_ms.get_or_insert(self.now_ms);
            self.given += amount.get();
        }
        self.top_ups.push(top_up);
        topped_up
    }

    fn settle(&mut self, made_ms: u64, amount: SettleAmount) -> bool {
        self.settles += 1;
        let id = SettleId::try_from(format!("s{}", self.settles)).unwrap();
        let charge =
            SettleCharge { counter: Self::counter(), terms: Self::terms(), amount, lease_ms: None };
        let settle = Settle::new(id, TimeMs::new(made_ms).unwrap(), vec![charge]).unwrap();
        self.ledger.settle(self.now_ms, &settle).unwrap().applied
    }

    fn left(&self) -> u64 {
        self.ledger.peek(self.now_ms, &Self::charge_of(1)).unwrap().remaining
    }
}

proptest! {
    #![proptest_config(cases(4_000, FILE))]

    /// Charges, refunds, top-ups that arrive twice, resets and clocks that step back.
    #[test]
    fn a_balance_is_exact(
        steps in prop::collection::vec((0..12_u8, 1..9_u64, any::<prop::sample::Index>(), -50..200_i64), 1..60)
    ) {
        let mut world = World::new();
        for (what, amount, which, wait_ms) in steps {
            world.now_ms = world.now_ms.saturating_add_signed(wait_ms);
            match what {
                0..=5 => {
                    let left = world.given - world.used;
                    let outcome = world.charge(amount);
                    prop_assert_eq!(outcome.admitted, amount <= left);
                    prop_assert_eq!(outcome.limit, world.given);
                }
                6..=7 if !world.charges.is_empty() => {
                    let place = which.index(world.charges.len());
                    let (made_ms, left) = world.charges[place];
                    if world.settle(made_ms, SettleAmount::GiveBack(Limit::clamped(left))) {
                        prop_assert!(made_ms <= world.now_ms);
                        world.used -= left;
                        world.charges.swap_remove(place);
                    } else {
                        // Only after the clock has stepped back.
                        let since_ms = world.since_ms.unwrap_or(u64::MAX);
                        prop_assert!(made_ms > world.now_ms || made_ms < since_ms);
                    }
                }
                8..=9 => {
                    let id = format!("payment-{}", world.top_ups.len());
                    prop_assert_eq!(world.top_up(amount, &id).effect, TopUpEffect::Added);
                }
                10 if !world.top_ups.is_empty() => {
                    let again = world.top_ups[which.index(world.top_ups.len())].clone();
                    let outcome = world.ledger.top_up(world.now_ms, &again).unwrap();
                    prop_assert_eq!(outcome.effect, TopUpEffect::Repeated(again.amount.get()));
                }
                11 if which.index(4) == 0 => {
                    world.ledger.reset(&World::counter());
                    // Charges made before must not come back.
                    let before = std::mem::take(&mut world.charges);
                    (world.given, world.used, world.since_ms) = (START, 0, None);
                    world.now_ms += 1;
                    world.charge(1);
                    let now_ms = world.now_ms;
                    for (made_ms, amount) in before.into_iter().filter(|one| one.0 < now_ms) {
                        let back = SettleAmount::GiveBack(Limit::clamped(amount));
                        prop_assert!(!world.settle(made_ms, back), "{} at {}", made_ms, now_ms);
                    }
                }
                _ => {}
            }
            prop_assert!(world.used <= world.given);
            prop_assert_eq!(world.left(), world.given - world.used);
        }
    }
}

#[test]
fn time_does_not_refill_a_balance() {
    let mut world = World::new();
    assert!(world.charge(START).admitted);
    world.now_ms = limits::ledger::MAX_TIME_MS;
    let outcome = world.charge(1);
    assert_eq!((outcome.admitted, outcome.remaining, outcome.reset_ms), (false, 0, 0));
    assert_eq!(outcome.retry_after_ms, NEVER);
}

#[test]
fn a_balance_never_makes_room_for_other_counters() {
    let mut world = World::new();
    world.ledger = Ledger::new(1);
    assert!(world.charge(1).admitted);
    world.now_ms *= 1_000;
    let other = CounterName::new(&Identity::derive(b"", [b"other".as_slice()]), "credits").unwrap();
    let request = Request::new(vec![Charge { counter: other, ..World::charge_of(1) }]).unwrap();
    assert_eq!(world.ledger.decide(world.now_ms, &request), Err(Refusal::Full { capacity: 1 }));
}

#[test]
fn a_late_charge_can_overdraw_and_a_top_up_pays_for_it() {
    let mut world = World::new();
    assert!(world.charge(5).admitted);
    assert!(world.settle(NOW_MS, SettleAmount::Charge(Limit::clamped(10))));
    assert_eq!(world.left(), 0);
    world.top_up(10, "a");
    assert_eq!(world.left(), 2);
}

#[test]
fn a_top_up_is_remembered_and_bounded() {
    let mut world = World::new();
    assert_eq!(world.top_up(5, "a"), ToppedUp { effect: TopUpEffect::Added, added: 5 });
    let repeated = ToppedUp { effect: TopUpEffect::Repeated(5), added: 5 };
    assert_eq!(world.top_up(6, "a"), repeated, "whatever its amount");
    world.now_ms += TOP_UP_REMEMBERED_MS - 1;
    assert_eq!(world.top_up(5, "a"), repeated);
    let too_much = ToppedUp { effect: TopUpEffect::TooMuch, added: 5 };
    assert_eq!(world.top_up(MAX_BALANCE, "b"), too_much);
    assert_eq!(world.top_up(MAX_BALANCE - 5, "b").effect, TopUpEffect::Added);
    assert_eq!(world.left(), START + MAX_BALANCE);
}
