//! A full ledger refuses new counters, and never evicts one that still counts.

use super::world::{Algorithm, Mix, START_MS, World, cases, steps};
use limits::ledger::{Ledger, Refusal, Request};
use proptest::prelude::*;

const FILE: &str = "proptest-regressions/ledger_room.txt";
const WINDOW_MS: u64 = 400;
const CAPACITY: usize = 3;

proptest! {
    #![proptest_config(cases(4_000, FILE))]

    /// Six counters compete for three places while the clock steps back. Each stays within its
    /// limit, and there are never more than three.
    #[test]
    fn counters_keep_their_limits_in_a_full_ledger(steps in steps(80, 900)) {
        let algorithm = Algorithm::Sliding { limit: 4, window_ms: WINDOW_MS };
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut worlds = names.map(|name| World::on(Ledger::new(0), algorithm, name));
        let mut ledger = Ledger::new(CAPACITY);
        let (mut true_ms, mut behind_ms) = (START_MS, 0);
        for step in &steps {
            let world = &mut worlds[usize::from(step.what) % names.len()];
            world.set_clock(true_ms, behind_ms);
            std::mem::swap(&mut world.ledger, &mut ledger);
            let mix = Mix { refunds: 12, leases: 20, steps_back: 4, ..Mix::default() };
            world.step(step, mix);
            (true_ms, behind_ms) = world.clock();
            std::mem::swap(&mut world.ledger, &mut ledger);
            prop_assert!(ledger.len() <= CAPACITY);
        }
        for world in &worlds {
            for end in &world.uses {
                let inside = world.uses.iter().filter(|one| {
                    one.at_ms <= end.at_ms && one.at_ms + WINDOW_MS > end.at_ms
                });
                let used: u64 = inside.map(|one| one.cost).sum();
                prop_assert!(used <= 4, "{} in the window that ends at {}", used, end.at_ms);
            }
        }
    }
}

#[test]
fn a_full_ledger_refuses_new_counters_until_one_expires() {
    let algorithm = Algorithm::Sliding { limit: 4, window_ms: WINDOW_MS };
    let mut ledger = Ledger::new(2);
    let mut charge = |name: &str, now_ms: u64| {
        let world = World::on(Ledger::new(0), algorithm, name);
        let request = Request::new(vec![world.charge_at(now_ms, 1)]).unwrap();
        ledger.decide(now_ms, &request).map(|decided| decided.admitted)
    };
    assert_eq!(charge("a", START_MS), Ok(true));
    assert_eq!(charge("b", START_MS + 100), Ok(true));
    let refusal = charge("c", START_MS + 399).unwrap_err();
    assert_eq!(refusal, Refusal::Full { capacity: 2 });
    assert_eq!(
        refusal.to_string(),
        "the in-memory ledger is full: 2 counters still count; wait, or raise its capacity"
    );
    assert_eq!(charge("a", START_MS + 399), Ok(true), "existing counters still work");
    assert_eq!(charge("c", START_MS + 499), Err(Refusal::Full { capacity: 2 }));
    assert_eq!(charge("c", START_MS + 500), Ok(true), "b has expired");
}
