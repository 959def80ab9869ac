//! Settles: applied once however often they arrive, and harmless when late.

use super::world::{Algorithm, World};
use limits::counter::CounterName;
use limits::ledger::{
    BadCharges, Charge, Ledger, Refusal, Request, SETTLE_WITHIN_MS, Settle, SettleCharge, SettleId,
    TimeMs, decision_ms,
};
use limits::quota::Limit;
use limits::wire::{LeaseAsk, LeaseWish, SettleAmount};

const NOW_MS: u64 = super::world::START_MS;

/// A ledger with one counter.
struct Bench {
    ledger: Ledger,
    world: World,
}

impl Bench {
    fn new(algorithm: Algorithm) -> Self {
        Self { ledger: Ledger::new(100), world: World::new(algorithm) }
    }

    fn charge(&mut self, now_ms: u64, cost: u64) -> bool {
        let request = Request::new(vec![self.world.charge_at(now_ms, cost)]).unwrap();
        self.ledger.decide(now_ms, &request).unwrap().admitted
    }

    fn left(&self, now_ms: u64) -> u64 {
        self.ledger.peek(now_ms, &self.world.charge_at(now_ms, 1)).unwrap().remaining
    }

    fn settle(&mut self, now_ms: u64, id: &str, made_ms: u64, amount: SettleAmount) -> (bool, u64) {
        self.settle_lease(now_ms, id, made_ms, amount, None)
    }

    fn settle_lease(
        &mut self,
        now_ms: u64,
        id: &str,
        made_ms: u64,
        amount: SettleAmount,
        lease_ms: Option<u64>,
    ) -> (bool, u64) {
        let Charge { counter, terms, .. } = self.world.charge_at(now_ms, 1);
        let lease_ms = lease_ms.map(|ms| limits::quota::WindowMs::new(ms).unwrap());
        let charges = vec![SettleCharge { counter, terms, amount, lease_ms }];
        let id = SettleId::try_from(id.to_owned()).unwrap();
        let settle = Settle::new(id, TimeMs::new(made_ms).unwrap(), charges).unwrap();
        let settled = self.ledger.settle(now_ms, &settle).unwrap();
        (settled.applied, settled.remaining[0])
    }
}

fn back(amount: u64) -> SettleAmount {
    SettleAmount::GiveBack(Limit::new(amount).unwrap())
}

fn more(amount: u64) -> SettleAmount {
    SettleAmount::Charge(Limit::new(amount).unwrap())
}

fn every_algorithm() -> [(Algorithm, u64); 3] {
    // The second value: how long a charge made at NOW_MS can be given back, in ms.
    [
        (Algorithm::Sliding { limit: 5, window_ms: 1_000 }, 1_000),
        (Algorithm::Fixed { limit: 5, period_ms: 1_000 }, 1_000),
        (Algorithm::Tokens { rate: 1, per_ms: 100_000, burst: 5 }, 500_000),
    ]
}

#[test]
fn a_settle_takes_effect_once_in_either_direction() {
    for (algorithm, _) in every_algorithm() {
        let mut bench = Bench::new(algorithm);
        assert!(bench.charge(NOW_MS, 4));
        assert_eq!(bench.settle(NOW_MS, "a", NOW_MS, back(2)), (true, 3));
        assert_eq!(bench.settle(NOW_MS, "b", NOW_MS, more(1)), (true, 2));
        for _ in 0..3 {
            assert_eq!(bench.settle(NOW_MS, "b", NOW_MS, more(1)), (false, 2));
            assert_eq!(bench.settle(NOW_MS, "a", NOW_MS, back(2)), (false, 2));
        }
    }
}

#[test]
fn a_charge_can_be_given_back_while_it_counts() {
    for (algorithm, counts_ms) in every_algorithm() {
        let last_ms = NOW_MS + counts_ms - 1;
        let mut bench = Bench::new(algorithm);
        assert!(bench.charge(NOW_MS, 5));
        assert!(bench.settle(last_ms, "a", NOW_MS, back(5)).0, "{algorithm:?}");
        let mut bench = Bench::new(algorithm);
        assert!(bench.charge(NOW_MS, 5));
        assert_eq!(bench.settle(last_ms + 1, "a", NOW_MS, back(5)), (false, 5), "{algorithm:?}");
    }
    // A charge can be given back for at most an hour, even if it counts for longer.
    let mut bench = Bench::new(Algorithm::Sliding { limit: 5, window_ms: 2 * SETTLE_WITHIN_MS });
    assert!(bench.charge(NOW_MS, 5));
    assert_eq!(bench.settle(NOW_MS + SETTLE_WITHIN_MS, "a", NOW_MS, back(1)), (false, 0));
    assert_eq!(bench.settle(NOW_MS + SETTLE_WITHIN_MS - 1, "a", NOW_MS, back(1)), (true, 1));
}

#[test]
fn a_late_charge_takes_effect_within_an_hour() {
    for (algorithm, _) in every_algorithm() {
        let last_ms = NOW_MS + SETTLE_WITHIN_MS - 1;
        let mut bench = Bench::new(algorithm);
        assert!(bench.charge(NOW_MS, 5));
        assert_eq!(bench.settle(last_ms, "a", NOW_MS, more(3)), (true, 2), "{algorithm:?}");
        assert_eq!(bench.settle(last_ms, "a", NOW_MS, more(3)), (false, 2), "{algorithm:?}");
        let mut bench = Bench::new(algorithm);
        assert_eq!(bench.settle(last_ms + 1, "a", NOW_MS, more(3)), (false, 5), "{algorithm:?}");
        assert!(bench.ledger.is_empty());
    }
}

#[test]
fn a_settle_cannot_be_repeated_however_late() {
    for (algorithm, counts_ms) in every_algorithm() {
        let mut bench = Bench::new(algorithm);
        assert!(bench.charge(NOW_MS, 5));
        assert!(bench.settle(NOW_MS, "a", NOW_MS, back(5)).0);
        for late_ms in [1, counts_ms / 2, counts_ms - 1, counts_ms, 3 * counts_ms] {
            assert!(!bench.settle(NOW_MS + late_ms, "a", NOW_MS, back(5)).0, "{algorithm:?}");
        }
    }
}

#[test]
fn a_decision_unknown_to_the_counter_is_not_settled() {
    for (algorithm, _) in every_algorithm() {
        let mut bench = Bench::new(algorithm);
        assert!(bench.charge(NOW_MS, 2));
        if !matches!(algorithm, Algorithm::Fixed { .. }) {
            assert_eq!(bench.settle(NOW_MS, "a", NOW_MS + 1, back(1)), (false, 3));
        }
        assert_eq!(bench.settle(NOW_MS, "b", NOW_MS + 5_000, back(1)), (false, 3));
        assert_eq!(bench.settle(NOW_MS, "c", NOW_MS - 500_000, back(1)), (false, 3));
    }
}

#[test]
fn a_late_charge_may_exceed_the_limit_and_counts_afterwards() {
    for (algorithm, _) in every_algorithm() {
        let mut bench = Bench::new(algorithm);
        assert!(bench.charge(NOW_MS, 5));
        assert_eq!(bench.settle(NOW_MS, "a", NOW_MS, more(5)), (true, 0));
        assert!(!bench.charge(NOW_MS, 1));
        let outcome = bench.ledger.peek(NOW_MS, &bench.world.charge_at(NOW_MS, 1)).unwrap();
        let then_ms = NOW_MS + outcome.retry_after_ms;
        assert!(bench.ledger.peek(then_ms, &bench.world.charge_at(then_ms, 1)).unwrap().admitted);
    }
}

#[test]
fn giving_back_is_capped_at_the_charge() {
    for (algorithm, _) in every_algorithm() {
        let mut bench = Bench::new(algorithm);
        assert!(bench.charge(NOW_MS, 2));
        assert_eq!(bench.settle(NOW_MS, "a", NOW_MS, back(1_000)), (true, 5));
        assert!(bench.charge(NOW_MS, 5));
        assert!(!bench.charge(NOW_MS, 1));
    }
}

#[test]
fn giving_back_cancels_its_own_charge_and_no_other() {
    let mut bench = Bench::new(Algorithm::Sliding { limit: 5, window_ms: 1_000 });
    assert!(bench.charge(NOW_MS, 3));
    assert!(bench.charge(NOW_MS + 900, 2));
    // The later charge is given back. The earlier one still leaves at its own time.
    assert_eq!(bench.settle(NOW_MS + 900, "a", NOW_MS + 900, back(2)), (true, 2));
    assert_eq!(bench.left(NOW_MS + 999), 2);
    assert_eq!(bench.left(NOW_MS + 1_000), 5);
    // Giving back too much, or the same charge twice, does not affect other charges.
    let mut bench = Bench::new(Algorithm::Sliding { limit: 5, window_ms: 1_000 });
    assert!(bench.charge(NOW_MS, 3));
    assert!(bench.charge(NOW_MS + 900, 2));
    assert_eq!(bench.settle(NOW_MS + 900, "a", NOW_MS + 900, back(5)), (true, 2));
    assert_eq!(bench.settle(NOW_MS + 900, "b", NOW_MS + 900, back(5)), (true, 2));
}

#[test]
fn an_unspent_lease_can_be_given_back_while_it_counts() {
    let lease_ms = 30;
    let algorithm = Algorithm::Sliding { limit: 10, window_ms: 1_000 };
    let leased = || {
        let mut bench = Bench::new(algorithm);
        let ask = LeaseAsk {
            wish: LeaseWish::clamped(100),
            lease_ms: limits::quota::WindowMs::clamped(lease_ms),
        };
        let charge = Charge { lease: Some(ask), ..bench.world.charge_at(NOW_MS, 2) };
        let decided = bench.ledger.decide(NOW_MS, &Request::new(vec![charge]).unwrap()).unwrap();
        let lease = decided.charges[0].lease.unwrap();
        assert_eq!((lease.granted, lease.lease_ms), (4, lease_ms), "half of the remaining 8");
        assert_eq!(decided.charges[0].remaining, 4);
        bench
    };
    let last_ms = NOW_MS + lease_ms + 999;
    assert_eq!(leased().settle_lease(NOW_MS + 10, "a", NOW_MS, back(4), Some(30)), (true, 8));
    assert_eq!(leased().settle_lease(last_ms, "a", NOW_MS, back(3), Some(30)), (true, 9));
    assert_eq!(leased().settle_lease(last_ms + 1, "a", NOW_MS, back(3), Some(30)), (false, 10));
    // Without the lease's length, the settle is treated as one of an ordinary charge.
    assert_eq!(leased().settle(last_ms, "a", NOW_MS, back(3)), (false, 6));
}

#[test]
fn leases_share_the_remaining_capacity() {
    for (algorithm, expected) in [
        (Algorithm::Sliding { limit: 1_000, window_ms: 100_000 }, [499, 166, 83, 49]),
        (Algorithm::Fixed { limit: 1_000, period_ms: 1_000 }, [499, 249, 124, 62]),
    ] {
        let mut bench = Bench::new(algorithm);
        let granted = [0, 1, 2, 3].map(|at| {
            let lease_ms = limits::quota::WindowMs::clamped(1_000 + 800 * at);
            let ask = LeaseAsk { wish: LeaseWish::clamped(1_000), lease_ms };
            let charge = Charge { lease: Some(ask), ..bench.world.charge_at(NOW_MS, 1) };
            let decided =
                bench.ledger.decide(NOW_MS, &Request::new(vec![charge]).unwrap()).unwrap();
            decided.charges[0].lease.map_or(0, |lease| lease.granted)
        });
        assert_eq!(granted, expected, "{algorithm:?}");
    }
    let mut bench = Bench::new(Algorithm::Tokens { rate: 1, per_ms: 1, burst: 1_000 });
    let ask =
        LeaseAsk { wish: LeaseWish::clamped(9), lease_ms: limits::quota::WindowMs::clamped(9) };
    let charge = Charge { lease: Some(ask), ..bench.world.charge_at(NOW_MS, 1) };
    let decided = bench.ledger.decide(NOW_MS, &Request::new(vec![charge]).unwrap()).unwrap();
    assert_eq!(decided.charges[0].lease, None);
}

#[test]
fn a_lease_ends_with_the_period() {
    let mut bench = Bench::new(Algorithm::Fixed { limit: 100, period_ms: 1_000 });
    let ask =
        LeaseAsk { wish: LeaseWish::clamped(5), lease_ms: limits::quota::WindowMs::clamped(700) };
    let charge = Charge { lease: Some(ask), ..bench.world.charge_at(NOW_MS + 600, 1) };
    let decided = bench.ledger.decide(NOW_MS + 600, &Request::new(vec![charge]).unwrap()).unwrap();
    assert_eq!(
        decided.charges[0].lease.map(|lease| (lease.granted, lease.lease_ms)),
        Some((5, 400))
    );
}

#[test]
fn a_settle_covers_one_identity_and_names_its_decision() {
    let charge = |bucket: &str| {
        let world = World::on(Ledger::new(1), every_algorithm()[0].0, bucket);
        let Charge { counter, terms, .. } = world.charge_at(NOW_MS, 1);
        SettleCharge { counter, terms, amount: back(1), lease_ms: None }
    };
    let new = |charges| {
        let id = SettleId::try_from("a".to_owned()).unwrap();
        Settle::new(id, TimeMs::new(NOW_MS).unwrap(), charges)
    };
    let counter: CounterName = charge("other").counter;
    assert_eq!(new(vec![charge("one"), charge("other")]), Err(BadCharges::Mixed(counter)));
    assert_eq!(
        new(vec![charge("one"), charge("one")]).unwrap_err().to_string().split(',').next(),
        Some("expected each counter once")
    );
    assert_eq!(new(Vec::new()), Err(BadCharges::Count(0)));
    for (id, expected) in [
        ("1700-x", Some(1700)),
        ("1700", None),
        ("-x", None),
        ("1x-y", None),
        ("+1-x", None),
        ("99999999999999999-x", None),
    ] {
        assert_eq!(decision_ms(id).ok().map(TimeMs::get), expected, "{id}");
    }
    for id in ["", "a b", "é", &"a".repeat(65)] {
        assert!(SettleId::try_from(id.to_owned()).is_err(), "{id}");
    }
}

#[test]
fn a_period_that_does_not_contain_the_time_is_an_error() {
    let mut bench = Bench::new(Algorithm::Fixed { limit: 5, period_ms: 1_000 });
    let Charge { counter, terms, .. } = bench.world.charge_at(NOW_MS, 1);
    let charges = vec![SettleCharge { counter, terms, amount: more(1), lease_ms: None }];
    let id = SettleId::try_from("a".to_owned()).unwrap();
    let settle = Settle::new(id, TimeMs::new(NOW_MS).unwrap(), charges).unwrap();
    let now_ms = NOW_MS + 2_000;
    assert_eq!(bench.ledger.settle(now_ms, &settle), Err(Refusal::Clock { now_ms }));
    assert!(bench.ledger.is_empty());
}

#[test]
fn a_lease_comes_back_in_parts_up_to_the_latest_total() {
    for algorithm in [
        Algorithm::Sliding { limit: 20, window_ms: 1_000 },
        Algorithm::Fixed { limit: 20, period_ms: 1_000 },
    ] {
        let mut bench = Bench::new(algorithm);
        let lease_ms = limits::quota::WindowMs::clamped(30);
        let ask = LeaseAsk { wish: LeaseWish::clamped(5), lease_ms };
        let charge = Charge { lease: Some(ask), ..bench.world.charge_at(NOW_MS, 2) };
        let decided = bench.ledger.decide(NOW_MS, &Request::new(vec![charge]).unwrap()).unwrap();
        assert_eq!(decided.charges[0].lease.map(|lease| lease.granted), Some(5));
        let mut part = |id, total| bench.settle_lease(NOW_MS, id, NOW_MS, back(total), Some(30));
        assert_eq!(part("a", 1), (true, 14), "{algorithm:?}");
        assert_eq!(part("a", 3), (true, 16));
        // Late or repeated: the total was already higher.
        for total in [1, 2, 3] {
            assert_eq!(part("a", total), (false, 16), "{total}");
        }
        assert_eq!(part("a", 4), (true, 17));
        assert_eq!(part("b", 1), (true, 18), "another lease");
    }
}
