//! Fixed windows: the use in each calendar period stays within the limit.

use super::world::{ALL, Algorithm, Mix, Outcome, World, cases, steps};
use proptest::prelude::*;

const FILE: &str = "proptest-regressions/ledger_fixed.txt";
const PERIOD_MS: u64 = 500;

fn quotas() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(vec![1_u64, 5, 128, 1_000])
        .prop_map(|limit| Algorithm::Fixed { limit, period_ms: PERIOD_MS })
}

/// Returns the use in the period of the use at index `place`. If the clock has stepped back, a use
/// belongs to the latest period of any use before it.
fn used(world: &World, place: usize) -> u64 {
    let mut latest = 0;
    let periods: Vec<u64> = world
        .uses
        .iter()
        .map(|one| {
            latest = latest.max(one.clock_ms / PERIOD_MS);
            latest
        })
        .collect();
    let same = |other: &u64| *other == periods[place];
    world
        .uses
        .iter()
        .zip(&periods)
        .filter(|(_, period)| same(period))
        .map(|(one, _)| one.cost)
        .sum()
}

proptest! {
    #![proptest_config(cases(10_000, FILE))]

    /// With refunds, leases and redelivered settles, no period exceeds the limit.
    #[test]
    fn no_period_exceeds_the_limit(
        algorithm in quotas(),
        steps in steps(40, 1_500),
    ) {
        let mut world = World::new(algorithm);
        let mix = Mix { refunds: 12, leases: 24, ..Mix::default() };
        for step in &steps {
            world.step(step, mix);
        }
        for place in 0..world.uses.len() {
            let used = used(&world, place);
            prop_assert!(used <= algorithm.limit(), "{} at {:?}", used, world.uses[place]);
        }
    }
}

proptest! {
    #![proptest_config(cases(10_000, FILE))]

    /// Also holds when the clock steps back, the limit changes, and settles charge more.
    #[test]
    fn an_admitted_charge_fits_the_limit_at_its_time(
        algorithm in quotas(),
        steps in steps(40, 1_500),
    ) {
        let mut world = World::new(algorithm);
        for step in &steps {
            // With a clock that steps back, a lease can be spent in a different period.
            if let Outcome::Admitted(place) = world.step(step, Mix { leases: 0, ..ALL }) {
                let (used, limit) = (used(&world, place), world.algorithm.limit());
                prop_assert!(used <= limit, "{} of {} at {}", used, limit, world.true_ms);
            }
        }
    }

    /// Nothing is denied that the definition admits, and the remaining capacity is exact, even with
    /// old refunds, leases, late charges and limit changes. A refund counts only in its charge's
    /// own period.
    #[test]
    fn the_remaining_capacity_is_exact(algorithm in quotas(), steps in steps(60, 1_500)) {
        let mut world = World::new(algorithm);
        for step in &steps {
            let outcome = world.step(step, Mix { steps_back: 0, refunds: 24, ..ALL });
            let (now_ms, limit) = (world.now_ms(), world.algorithm.limit());
            let period = now_ms / PERIOD_MS;
            // A lease ends with its period, so it never reaches into the next.
            let inside = world.dated.iter().filter(|one| one.made_ms / PERIOD_MS == period);
            let counted: u64 = inside.map(|one| one.cost).sum();
            if let Outcome::Denied(cost, outcome) = outcome {
                prop_assert!(counted + cost > limit);
                prop_assert_eq!(outcome.retry_after_ms, (period + 1) * PERIOD_MS - now_ms);
            }
            prop_assert_eq!(world.peek_at(now_ms, 1).remaining, limit.saturating_sub(counted));
        }
    }
}
