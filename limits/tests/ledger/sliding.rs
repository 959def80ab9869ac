//! Sliding windows: the use in every interval of the window's length stays within the limit.

use super::world::{ALL, Algorithm, Mix, Outcome, Step, World, cases, steps};
use proptest::prelude::*;

const FILE: &str = "proptest-regressions/ledger_sliding.txt";
const WINDOW_MS: u64 = 1_000;

/// Returns the use in the window that ends at `end_ms`, by brute force.
fn used(world: &World, end_ms: u64, window_ms: u64) -> u64 {
    let inside = |at_ms: u64| at_ms <= end_ms && at_ms + window_ms > end_ms;
    world.uses.iter().filter(|one| inside(one.at_ms)).map(|one| one.cost).sum()
}

/// Returns the time until `cost` fits, by brute force: until enough use has left the window.
fn exact_wait_ms(world: &World, cost: u64, limit: u64, window_ms: u64) -> u64 {
    let leaving = world.uses.iter().map(|one| one.at_ms + window_ms);
    let fits = |end_ms: &u64| used(world, *end_ms, window_ms) + cost <= limit;
    let first = leaving.filter(|end_ms| *end_ms >= world.true_ms).filter(fits).min();
    first.unwrap_or(world.true_ms).saturating_sub(world.true_ms)
}

/// Generates limits on both sides of 128, and windows that are or are not divisible by 128.
fn windows() -> impl Strategy<Value = Algorithm> {
    let limits = prop::sample::select(vec![1_u64, 5, 127, 128, 129, 300, 5_000]);
    let windows_ms = prop::sample::select(vec![1_u64, 100, WINDOW_MS, 1_280, 12_801]);
    (limits, windows_ms).prop_map(|(limit, window_ms)| Algorithm::Sliding { limit, window_ms })
}

fn window_ms(algorithm: Algorithm) -> u64 {
    match algorithm {
        Algorithm::Sliding { window_ms, .. } => window_ms,
        _ => unreachable!("only sliding windows here"),
    }
}

proptest! {
    #![proptest_config(cases(10_000, FILE))]

    /// With refunds, leases spent at any time until they end, redelivered settles, and a clock that
    /// steps back, no window exceeds the limit.
    #[test]
    fn no_window_exceeds_the_limit(
        algorithm in windows(),
        steps in steps(40, 2_000),
    ) {
        let mut world = World::new(algorithm);
        let mix = Mix { refunds: 12, leases: 24, steps_back: 4, ..Mix::default() };
        for step in &steps {
            world.step(step, mix);
        }
        let (limit, window_ms) = (algorithm.limit(), window_ms(algorithm));
        for one in &world.uses {
            let used = used(&world, one.at_ms, window_ms);
            prop_assert!(used <= limit, "{} in the window that ends at {}", used, one.at_ms);
        }
    }
}

proptest! {
    #![proptest_config(cases(10_000, FILE))]

    /// With limit changes and late charges, which are never refused, each admitted charge fits the
    /// limit at its time, counting everything before it.
    #[test]
    fn an_admitted_charge_fits_the_limit_at_its_time(
        algorithm in windows(),
        steps in steps(40, 2_000),
    ) {
        let mut world = World::new(algorithm);
        let window_ms = window_ms(algorithm);
        for step in &steps {
            if let Outcome::Admitted(_) = world.step(step, ALL) {
                let (used, limit) = (used(&world, world.true_ms, window_ms), world.algorithm.limit());
                prop_assert!(used <= limit, "{} of {} at {}", used, limit, world.true_ms);
            }
        }
    }

    /// Nothing is denied that should fit. Exact up to a limit of 128; above it, charges from the
    /// last 1/128 of a window before the current one may count too.
    #[test]
    fn nothing_is_denied_that_fits(algorithm in windows(), steps in steps(60, 2_000)) {
        let mut world = World::new(algorithm);
        let (limit, window_ms) = (algorithm.limit(), window_ms(algorithm));
        let late_ms = if limit > 128 { window_ms.div_ceil(128) - 1 } else { 0 };
        for step in &steps {
            let before = used(&world, world.true_ms + step.wait_ms, window_ms);
            match world.step(step, Mix::default()) {
                Outcome::Denied(cost, outcome) => {
                    let used = used(&world, world.true_ms, window_ms + late_ms);
                    prop_assert!(used + cost > limit, "{} + {} of {}", used, cost, limit);
                    let exact_ms = exact_wait_ms(&world, cost, limit, window_ms);
                    let wait_ms = outcome.retry_after_ms;
                    prop_assert!((exact_ms..=exact_ms + late_ms).contains(&wait_ms));
                    prop_assert!(outcome.remaining <= limit - before);
                    prop_assert!(outcome.remaining >= limit.saturating_sub(used));
                }
                Outcome::Admitted(place) => {
                    let left = world.peek_at(world.now_ms(), 1).remaining;
                    prop_assert!(left <= limit - before - world.uses[place].cost);
                }
                Outcome::Other => {}
            }
        }
    }
}

/// Returns the cost that the definition counts at `now_ms` if dates can be `late_ms` late.
fn counted(world: &World, now_ms: u64, window_ms: u64, late_ms: u64) -> u64 {
    let counts = |at_ms: u64| at_ms + window_ms + late_ms > now_ms;
    world.dated.iter().filter(|one| counts(one.at_ms)).map(|one| one.cost).sum()
}

proptest! {
    #![proptest_config(cases(10_000, FILE))]

    /// With refunds of any age, in any order and repeated, leases partly spent and given back early
    /// or late, late charges and limit changes: any denial agrees with the definition, and so does
    /// the remaining capacity. Exact up to a limit of 128; above it, a date may be late by less
    /// than 1/128 of the window.
    #[test]
    fn nothing_is_denied_that_the_definition_admits(
        algorithm in windows(),
        steps in steps(60, 2_000),
    ) {
        let mut world = World::new(algorithm);
        let window_ms = window_ms(algorithm);
        let mut shared = false;
        for step in &steps {
            let outcome = world.step(step, Mix { steps_back: 0, refunds: 24, leases: 24, ..ALL });
            let (now_ms, limit) = (world.now_ms(), world.algorithm.limit());
            shared |= limit > 128;
            let late_ms = if shared { window_ms.div_ceil(128) - 1 } else { 0 };
            if let Outcome::Denied(cost, _) = outcome {
                let most = counted(&world, now_ms, window_ms, late_ms);
                prop_assert!(most + cost > limit, "{most} + {cost} of {limit} at {now_ms}");
            }
            let left = world.peek_at(now_ms, 1).remaining;
            prop_assert!(left >= limit.saturating_sub(counted(&world, now_ms, window_ms, late_ms)));
            prop_assert!(left <= limit.saturating_sub(counted(&world, now_ms, window_ms, 0)));
        }
    }
}

/// Generates small costs in every slot, and leases that end as far ahead as they can.
fn crowd() -> impl Strategy<Value = Vec<Step>> {
    let which = prop::sample::select(vec![298_usize, 299]);
    let step = (0..4_u64, 0..100_u8, which, 1..3_u64)
        .prop_map(|(wait_ms, what, which, amount)| Step { wait_ms, what, which, amount });
    prop::collection::vec(step, 1_200..=1_300)
}

proptest! {
    #![proptest_config(cases(60, FILE))]

    /// With a completely full log and leases ahead of the clock, use never exceeds the limit.
    /// Nothing is forgotten, or kept longer than the longest lease plus a slot.
    #[test]
    fn a_full_log_stays_within_the_limit(steps in crowd()) {
        let (limit, window_ms, slot_ms, longest_lease_ms) = (4_000, 1_280, 10, 40);
        let mut world = World::new(Algorithm::Sliding { limit, window_ms });
        let mix = Mix { leases: 60, ..Mix::default() };
        let mut fullest = 0;
        for step in &steps {
            match world.step(step, mix) {
                Outcome::Admitted(_) => {
                    let used = used(&world, world.true_ms, window_ms);
                    prop_assert!(used <= limit, "{} of {} at {}", used, limit, world.true_ms);
                }
                Outcome::Denied(cost, outcome) => {
                    let longest_ms = window_ms + longest_lease_ms + slot_ms;
                    prop_assert!(outcome.retry_after_ms <= longest_ms, "{:?} for {}", outcome, cost);
                }
                Outcome::Other => {}
            }
            let left = world.peek_at(world.now_ms(), 1).remaining;
            prop_assert!(left <= limit - used(&world, world.true_ms, window_ms));
            let most = counted(&world, world.now_ms(), window_ms, slot_ms - 1);
            prop_assert!(left >= limit - most, "{left} left, {most} counted");
            fullest = fullest.max(format!("{:?}", world.ledger).matches("Entry {").count());
        }
        prop_assert!((129..=133).contains(&fullest), "{fullest} entries at most");
        let quiet_ms = world.true_ms + window_ms + longest_lease_ms + slot_ms;
        prop_assert_eq!(world.peek_at(quiet_ms, 1).remaining, limit);
    }
}

/// Uses the shortest window with slots longer than one millisecond, so that lateness is visible.
#[test]
fn above_128_a_charge_expires_at_most_one_slot_late() {
    let mut world = World::new(Algorithm::Sliding { limit: 200, window_ms: 1_280 });
    let charge = |world: &mut World, now_ms: u64, cost: u64| {
        let request = limits::ledger::Request::new(vec![world.charge_at(now_ms, cost)]).unwrap();
        world.ledger.decide(now_ms, &request).unwrap().admitted
    };
    assert!(charge(&mut world, 10_000, 150));
    assert!(charge(&mut world, 10_009, 50));
    assert!(!charge(&mut world, 11_280, 1), "a slot's first charge counts until its last leaves");
    assert!(!charge(&mut world, 11_288, 1));
    assert!(charge(&mut world, 11_289, 200));
}
