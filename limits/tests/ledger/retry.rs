//! Retry times are exact: without other traffic, waiting that long is enough, and 1 ms less is not.

use super::world::{ALL, Algorithm, Outcome, World, cases, steps};
use limits::ledger::{NEVER, Request};
use limits::wire::ChargeOutcome;
use proptest::prelude::*;

const FILE: &str = "proptest-regressions/ledger_retry.txt";

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(vec![
        Algorithm::Sliding { limit: 5, window_ms: 1_000 },
        Algorithm::Sliding { limit: 1_000, window_ms: 1_000 },
        Algorithm::Fixed { limit: 20, period_ms: 500 },
        Algorithm::Tokens { rate: 7, per_ms: 100, burst: 50 },
        Algorithm::Tokens { rate: 1_000, per_ms: 3, burst: 5 },
    ])
}

fn check_retry(world: &World, cost: u64, outcome: &ChargeOutcome) -> Result<(), TestCaseError> {
    let (now_ms, wait_ms) = (world.ledger.time_ms(world.now_ms()), outcome.retry_after_ms);
    prop_assert!(wait_ms > 0 && wait_ms < NEVER);
    prop_assert!(world.peek_at(now_ms + wait_ms, cost).admitted, "after {wait_ms} ms still denied");
    let sooner = world.peek_at(now_ms + wait_ms - 1, cost);
    prop_assert!(!sooner.admitted, "admitted 1 ms before {wait_ms} ms");
    prop_assert_eq!(sooner.retry_after_ms, 1);
    Ok(())
}

fn check_reset(world: &World) -> Result<(), TestCaseError> {
    let now_ms = world.ledger.time_ms(world.now_ms());
    let outcome = world.peek_at(now_ms, 1);
    let limit = world.algorithm.limit();
    prop_assert_eq!(outcome.reset_ms == 0 && outcome.remaining < limit, false);
    if outcome.reset_ms > 0 {
        let sooner = world.peek_at(now_ms + outcome.reset_ms - 1, 1);
        prop_assert_eq!(sooner.remaining, outcome.remaining);
        let then = world.peek_at(now_ms + outcome.reset_ms, 1);
        // If more than the limit was charged, the first charge to leave need not free capacity.
        prop_assert!(then.remaining > outcome.remaining || outcome.remaining == 0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(6_000, FILE))]

    /// Holds after any history of the counter.
    #[test]
    fn waiting_for_the_retry_time_is_enough_and_any_less_is_not(
        algorithm in algorithms(),
        steps in steps(40, 2_000),
    ) {
        let mut world = World::new(algorithm);
        for step in &steps {
            if let Outcome::Denied(cost, outcome) = world.step(step, ALL) {
                check_retry(&world, cost, &outcome)?;
            }
            check_reset(&world)?;
        }
    }
}

proptest! {
    #![proptest_config(cases(2_000, FILE))]

    /// A request with several buckets gets the longest wait, which is enough for all of them.
    #[test]
    fn a_request_waits_for_its_slowest_bucket(steps in steps(40, 500)) {
        let algorithms = [
            Algorithm::Sliding { limit: 5, window_ms: 1_000 },
            Algorithm::Fixed { limit: 9, period_ms: 700 },
            Algorithm::Tokens { rate: 1, per_ms: 90, burst: 7 },
        ];
        let names = ["sliding", "fixed", "tokens"];
        let mut worlds: Vec<World> = algorithms
            .iter()
            .zip(names)
            .map(|(algorithm, name)| World::on(limits::ledger::Ledger::new(10), *algorithm, name))
            .collect();
        let mut ledger = limits::ledger::Ledger::new(10);
        let mut now_ms = super::world::START_MS;
        let request_at = |worlds: &[World], now_ms: u64| {
            Request::new(worlds.iter().map(|world| world.charge_at(now_ms, 1)).collect()).unwrap()
        };
        for step in &steps {
            now_ms += step.wait_ms;
            let decided = ledger.decide(now_ms, &request_at(&worlds, now_ms)).unwrap();
            if !decided.admitted {
                let then_ms = now_ms + decided.retry_after_ms;
                let later = ledger.clone().decide(then_ms, &request_at(&worlds, then_ms)).unwrap();
                prop_assert!(later.admitted);
                let sooner_ms = then_ms - 1;
                let sooner = ledger.clone().decide(sooner_ms, &request_at(&worlds, sooner_ms));
                prop_assert!(!sooner.unwrap().admitted);
            }
        }
        worlds.clear();
    }
}
