//! Token buckets: the use in every interval is at most the burst plus the inflow.

use super::world::{ALL, Algorithm, Mix, Outcome, Step, Use, World, cases, steps};
use limits::ledger::Ledger;
use proptest::prelude::*;

const FILE: &str = "proptest-regressions/ledger_tokens.txt";

fn buckets() -> impl Strategy<Value = Algorithm> {
    let rates = prop::sample::select(vec![1_u64, 7, 10, 1_000]);
    let pers_ms = prop::sample::select(vec![1_u64, 100, 333, 1_000]);
    let bursts = prop::sample::select(vec![1_u64, 5, 100, 1_000]);
    (rates, pers_ms, bursts).prop_map(|(rate, per_ms, burst)| Algorithm::Tokens {
        rate,
        per_ms,
        burst,
    })
}

/// Returns how much the use from `first` to `end_ms`, plus `cost`, exceeds the bucket's allowance
/// for that time, in tokens × per_ms.
fn excess(world: &World, first: &Use, end_ms: u64, cost: u64) -> i128 {
    let Algorithm::Tokens { rate, per_ms, burst } = world.algorithm else {
        unreachable!("only token buckets here")
    };
    let inside = world.uses.iter().filter(|one| first.at_ms <= one.at_ms && one.at_ms <= end_ms);
    let used = inside.map(|one| i128::from(one.cost)).sum::<i128>() + i128::from(cost);
    let flowed_in = i128::from(end_ms - first.at_ms) * i128::from(rate);
    (used - i128::from(burst)) * i128::from(per_ms) - flowed_in
}

/// Returns the largest excess of all intervals that end at `end_ms`.
fn worst(world: &World, end_ms: u64, cost: u64) -> i128 {
    let excesses = world.uses.iter().map(|first| excess(world, first, end_ms, cost));
    excesses.max().unwrap_or(0)
}

proptest! {
    #![proptest_config(cases(10_000, FILE))]

    /// With changing bursts, late charges, refunds, redelivered settles and a clock that steps
    /// back, an admitted charge fits in every interval that it ends.
    #[test]
    fn no_interval_exceeds_the_bucket_s_allowance(
        algorithm in buckets(),
        steps in steps(40, 2_000),
    ) {
        let mut world = World::new(algorithm);
        for step in &steps {
            if let Outcome::Admitted(_) = world.step(step, ALL) {
                let worst = worst(&world, world.true_ms, 0);
                prop_assert!(worst <= 0, "{} over at {}", worst, world.true_ms);
            }
        }
    }
}

/// The number of low points that a bucket keeps.
const LOW_POINTS: usize = 64;

fn charge_times(world: &World) -> usize {
    let times: std::collections::BTreeSet<u64> =
        world.dated.iter().map(|one| one.made_ms).collect();
    times.len()
}

/// Returns the remaining tokens as if the refunded charges had never been made.
fn as_if_never_charged(world: &World) -> u64 {
    let Algorithm::Tokens { rate, per_ms, burst } = world.algorithm else {
        unreachable!("only token buckets here")
    };
    let (mut at_ms, mut missing) = (0, 0_u64);
    for one in &world.dated {
        missing = missing.saturating_sub((one.made_ms - at_ms) * rate) + one.cost * per_ms;
        at_ms = one.made_ms;
    }
    missing = missing.saturating_sub((world.now_ms() - at_ms) * rate);
    (burst * per_ms).saturating_sub(missing) / per_ms
}

/// Generates waits in which about as much flows in as is charged.
fn waits() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..20_u64, 1..200)
}

proptest! {
    #![proptest_config(cases(4_000, FILE))]

    /// Nothing is denied that fits, to the unit. There is no drift, however long the history.
    #[test]
    fn nothing_is_denied_that_fits(algorithm in buckets(), steps in steps(60, 2_000)) {
        let mut world = World::new(algorithm);
        for step in &steps {
            if let Outcome::Denied(cost, _) = world.step(step, Mix::default()) {
                let worst = worst(&world, world.true_ms, cost);
                prop_assert!(worst > 0, "{} at {}", worst, world.true_ms);
            }
        }
    }

    /// With refunds of any age, in any order and repeated, and late charges, the bucket is as if
    /// the refunded charges had never been made. Exact to the unit while it keeps all its low
    /// points.
    #[test]
    fn nothing_is_denied_that_the_definition_admits(
        algorithm in buckets(),
        steps in steps(60, 2_000),
    ) {
        let mut world = World::new(algorithm);
        let mix = Mix { refunds: 40, late_charges: 6, ..Mix::default() };
        for step in &steps {
            let outcome = world.step(step, mix);
            if charge_times(&world) > LOW_POINTS {
                break;
            }
            let left = as_if_never_charged(&world);
            if let Outcome::Denied(cost, _) = outcome {
                prop_assert!(cost > left, "{cost} of {left} at {}", world.now_ms());
            }
            prop_assert_eq!(world.peek_at(world.now_ms(), 1).remaining, left);
        }
    }

    /// However long its history, a bucket that has kept a few low points gives a small request back
    /// in full: the capacity shared by the later ones exceeds the request's cost.
    #[test]
    fn a_small_request_is_refunded_in_full_from_a_busy_bucket(waits in waits()) {
        let (rate, per_ms, burst) = (10, 100, 90);
        let algorithm = Algorithm::Tokens { rate, per_ms, burst };
        let mut world = World::on(Ledger::new(1_000), algorithm, "bucket");
        let charge = Step { wait_ms: 1, what: 99, which: 1, amount: 0 };
        (0..80).for_each(|_| { world.step(&charge, Mix::default()); });
        for wait_ms in waits {
            let outcome = world.step(&Step { wait_ms, ..charge }, Mix::default());
            prop_assert!(matches!(outcome, Outcome::Admitted(_)), "{outcome:?}");
            let all = Mix { refunds: 100, ..Mix::default() };
            let latest = Step { wait_ms: 0, what: 50, which: world.uses.len() - 1, ..charge };
            let before = world.peek_at(world.now_ms(), 1).remaining;
            world.step(&latest, all);
            prop_assert_eq!(world.peek_at(world.now_ms(), 1).remaining, before + 1);
        }
    }

    /// Writing the same rate in another unit gains or loses at most a token each time.
    #[test]
    fn a_change_of_unit_never_admits_more(steps in steps(40, 2_000)) {
        let units = [(1_u64, 10_u64), (7, 70), (100, 1_000), (33, 330)];
        let of = |which: usize| {
            let (rate, per_ms) = units[which % units.len()];
            Algorithm::Tokens { rate, per_ms, burst: 20 }
        };
        let mut world = World::new(of(0));
        for step in &steps {
            if step.what.is_multiple_of(4) {
                world.algorithm = of(step.which);
            }
            let mix = Mix { limit_changes: 0, ..ALL };
            if let Outcome::Admitted(_) = world.step(step, mix) {
                let worst = worst(&world, world.true_ms, 0);
                prop_assert!(worst <= 0, "{} over at {}", worst, world.true_ms);
            }
        }
    }
}
