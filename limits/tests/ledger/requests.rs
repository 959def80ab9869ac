//! Requests: atomicity, shadow charges, overrides, and costs that can never fit.

use super::world::{Algorithm, World, cases, steps};
use limits::bounded::MAX_SAFE;
use limits::ledger::{Charge, Decided, Ledger, NEVER, Refusal, Request, Standing, TimeMs};
use limits::wire::DecisionError;
use proptest::prelude::*;

const FILE: &str = "proptest-regressions/ledger_requests.txt";
const NOW_MS: u64 = super::world::START_MS;

fn buckets() -> [World; 4] {
    [
        ("few", Algorithm::Sliding { limit: 3, window_ms: 1_000 }),
        ("many", Algorithm::Sliding { limit: 500, window_ms: 1_000 }),
        ("quota", Algorithm::Fixed { limit: 8, period_ms: 400 }),
        ("smooth", Algorithm::Tokens { rate: 3, per_ms: 100, burst: 6 }),
    ]
    .map(|(name, algorithm)| World::on(Ledger::new(1), algorithm, name))
}

fn decide(ledger: &mut Ledger, now_ms: u64, charges: Vec<Charge>) -> Decided {
    ledger.decide(now_ms, &Request::new(charges).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(cases(4_000, FILE))]

    /// A request is admitted if and only if each enforced charge would fit by itself. A denied
    /// request changes nothing; an admitted one charges exactly what fits.
    #[test]
    fn a_request_is_charged_completely_or_not_at_all(
        steps in steps(30, 500),
        chosen in prop::collection::vec((1..16_u8, 0..16_u8), 30),
    ) {
        let buckets = buckets();
        let mut ledger = Ledger::new(100);
        let mut now_ms = NOW_MS;
        for (step, (which, enforced)) in steps.iter().zip(chosen) {
            now_ms += step.wait_ms;
            let charge = |at: usize| Charge {
                enforce: enforced & (1 << at) != 0,
                ..buckets[at].charge_at(now_ms, buckets[at].cost_of(step))
            };
            let charges: Vec<Charge> = (0..4).filter(|at| which & (1 << at) != 0).map(charge).collect();
            let alone: Vec<_> =
                charges.iter().map(|charge| ledger.peek(now_ms, charge).unwrap()).collect();
            let before = format!("{ledger:?}");
            let decided = decide(&mut ledger, now_ms, charges.clone());
            let fits = charges.iter().zip(&alone).all(|(charge, one)| one.admitted || !charge.enforce);
            prop_assert_eq!(decided.admitted, fits);
            if !fits {
                prop_assert_eq!(&decided.charges, &alone);
                prop_assert_eq!(before, format!("{:?}", ledger));
                continue;
            }
            prop_assert_eq!(decided.retry_after_ms, 0);
            for ((charge, alone), outcome) in charges.iter().zip(&alone).zip(&decided.charges) {
                let charged = if alone.admitted { charge.cost.get() } else { 0 };
                prop_assert_eq!(outcome.admitted, alone.admitted);
                prop_assert_eq!(outcome.remaining, alone.remaining - charged);
                let left = ledger.peek(now_ms, charge).unwrap().remaining;
                prop_assert_eq!(left, outcome.remaining);
            }
        }
    }
}

#[test]
fn a_cost_above_the_limit_is_an_error_without_a_wait() {
    for world in buckets() {
        let mut ledger = Ledger::new(100);
        let limit = world.algorithm.limit();
        let other = buckets()[0].charge_at(NOW_MS, 1);
        let too_much =
            World::on(Ledger::new(1), world.algorithm, "other").charge_at(NOW_MS, limit + 1);
        let decided = decide(&mut ledger, NOW_MS, vec![other.clone(), too_much.clone()]);
        assert_eq!(decided.error, Some(DecisionError::CostExceedsLimit));
        assert_eq!((decided.admitted, decided.retry_after_ms), (false, 0));
        assert_eq!(decided.charges[1].retry_after_ms, NEVER);
        assert!(ledger.is_empty(), "nothing was charged");

        let shadow = Charge { enforce: false, ..too_much };
        let decided = decide(&mut ledger, NOW_MS, vec![other, shadow]);
        assert_eq!((decided.admitted, decided.error), (true, None));
        assert!(!decided.charges[1].admitted);
        assert_eq!(ledger.len(), 1);
    }
}

#[test]
fn a_blocked_key_waits_for_the_block_and_for_capacity() {
    for world in buckets() {
        let mut ledger = Ledger::new(100);
        let limit = world.algorithm.limit();
        decide(&mut ledger, NOW_MS, vec![world.charge_at(NOW_MS, limit)]);
        let blocked = |now_ms: u64, until_ms: u64| {
            let mut charge = world.charge_at(now_ms, limit);
            charge.terms.standing = Standing::BlockedUntil(TimeMs::new(until_ms).unwrap());
            charge
        };
        for until_ms in [NOW_MS + 1, NOW_MS + 100_000] {
            let decided = decide(&mut ledger, NOW_MS, vec![blocked(NOW_MS, until_ms)]);
            assert!(!decided.admitted);
            assert_eq!(decided.charges[0].remaining, 0);
            let then_ms = NOW_MS + decided.retry_after_ms;
            assert!(then_ms >= until_ms);
            assert!(ledger.peek(then_ms, &blocked(then_ms, until_ms)).unwrap().admitted);
            assert!(!ledger.peek(then_ms - 1, &blocked(then_ms - 1, until_ms)).unwrap().admitted);
        }
    }
}

#[test]
fn an_unlimited_key_is_counted_and_never_denied() {
    for world in buckets() {
        let mut ledger = Ledger::new(100);
        let limit = world.algorithm.limit();
        for _ in 0..3 {
            let mut charge = world.charge_at(NOW_MS, limit);
            charge.terms.standing = Standing::Unlimited;
            let decided = decide(&mut ledger, NOW_MS, vec![charge]);
            assert!(decided.admitted);
            let outcome = decided.charges[0];
            assert_eq!((outcome.limit, outcome.remaining), (MAX_SAFE, MAX_SAFE));
        }
        let limited = ledger.peek(NOW_MS, &world.charge_at(NOW_MS, 1)).unwrap();
        assert_eq!((limited.admitted, limited.remaining), (false, 0), "its use counts");
    }
}

#[test]
fn an_unlimited_key_cannot_overdraw_a_token_bucket() {
    let world = World::new(Algorithm::Tokens { rate: 1, per_ms: 100, burst: 6 });
    let mut ledger = Ledger::new(100);
    let mut charge = world.charge_at(NOW_MS, 1_000);
    charge.terms.standing = Standing::Unlimited;
    assert!(decide(&mut ledger, NOW_MS, vec![charge]).admitted);
    let limited = ledger.peek(NOW_MS, &world.charge_at(NOW_MS, 1)).unwrap();
    assert_eq!((limited.admitted, limited.retry_after_ms), (false, 100));
}

#[test]
fn a_period_that_does_not_contain_the_time_is_an_error() {
    let [_, _, quota, _] = buckets();
    let mut ledger = Ledger::new(100);
    let request = Request::new(vec![quota.charge_at(NOW_MS, 1)]).unwrap();
    for now_ms in [NOW_MS - 1, NOW_MS + 800] {
        assert_eq!(ledger.decide(now_ms, &request), Err(Refusal::Clock { now_ms }));
    }
    assert!(ledger.is_empty(), "nothing was charged");
    assert!(ledger.decide(NOW_MS + 799, &request).unwrap().admitted);
}

#[test]
fn a_changed_limit_applies_at_once_and_keeps_the_count() {
    for world in buckets() {
        let mut ledger = Ledger::new(100);
        let with = |limit: u64| {
            World::on(Ledger::new(1), world.algorithm.with_limit(limit), "bucket")
                .charge_at(NOW_MS, 1)
        };
        decide(
            &mut ledger,
            NOW_MS,
            vec![Charge { cost: limits::wire::Cost::clamped(3), ..with(4) }],
        );
        for (limit, remaining) in [(4, 1), (3, 0), (2, 0), (1_000, 997), (128, 125), (5, 2)] {
            let outcome = ledger.peek(NOW_MS, &with(limit)).unwrap();
            assert_eq!((outcome.limit, outcome.remaining), (limit, remaining));
            assert_eq!(outcome.admitted, remaining > 0);
        }
    }
}

#[test]
fn a_changed_algorithm_starts_from_zero() {
    let mut ledger = Ledger::new(100);
    for world in buckets() {
        let limit = world.algorithm.limit();
        let same_name = World::on(Ledger::new(1), world.algorithm, "bucket");
        let decided = decide(&mut ledger, NOW_MS, vec![same_name.charge_at(NOW_MS, limit)]);
        if matches!(world.algorithm, Algorithm::Sliding { limit: 500, .. }) {
            assert!(!decided.admitted, "another limit of the same algorithm keeps the count");
            continue;
        }
        assert!(decided.admitted);
        assert_eq!(ledger.len(), 1);
    }
}
