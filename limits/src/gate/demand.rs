//! Counts how often each counter is charged, so that leases are asked for where they pay. Called by
//! `arrive` and `reply`.

use crate::counter::CounterName;
use crate::quota::{Quota, WindowMs};
use crate::wire::{ChargeOutcome, LeaseAsk, LeaseWish};
use rustc_hash::FxHashMap;

/// Requests are counted for this long, and remembered for as long again.
const GENERATION_MS: u64 = 250;
/// The most counters watched in a generation; one with a share of the traffic worth a lease is soon
/// among them.
const MAX_COUNTERS: usize = 1_024;
/// So many requests within two generations are worth a lease.
const HOT: u64 = 16;
/// A lease that is expected to spare fewer calls than this is not asked for: most of it would be
/// parked.
const WORTH: u64 = 5;
/// Limits up to this are exact to the request: they have no leases, which are dated ahead.
const EXACT_LIMIT: u64 = 128;
/// With less left than this, or than an eighth of the limit, each request is decided by the ledger.
const MUCH: u64 = 64;
const SHORTEST_LEASE_MS: u64 = 20;
const LONGEST_LEASE_MS: u64 = 500;
/// A window shorter than this has no leases: they would be too short to pay.
const MIN_WINDOW_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Demand {
    current: FxHashMap<CounterName, Seen>,
    previous: FxHashMap<CounterName, Seen>,
    turned_ms: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    requests: u64,
    /// The rest of the limit, as the ledger said last.
    left: u64,
    /// No lease is asked for before this: one is being asked for, or was just refused.
    rests_until_ms: u64,
}

impl Demand {
    /// Notes that a request wants to charge `counter`.
    pub(super) fn note(&mut self, now_ms: u64, counter: &CounterName) {
        self.turn(now_ms);
        if let Some(seen) = self.current.get_mut(counter) {
            seen.requests += 1;
        } else if self.current.len() < MAX_COUNTERS {
            let before = self.previous.get(counter).copied().unwrap_or_default();
            self.current.insert(counter.clone(), Seen { requests: 1, ..before });
        }
    }

    /// Returns the lease to ask for along with a charge, if demand is high and much is left.
    pub(super) fn ask(
        &mut self,
        now_ms: u64,
        counter: &CounterName,
        quota: &Quota,
    ) -> Option<LeaseAsk> {
        let lease_ms = lease_ms(quota)?;
        let before = self.previous.get(counter).map_or(0, |seen| seen.requests);
        let watched_ms = GENERATION_MS + now_ms.saturating_sub(self.turned_ms);
        let seen = self.current.get_mut(counter)?;
        let requests = before + seen.requests;
        let much_left = seen.left >= MUCH.max(quota.limit() / 8);
        if requests < HOT || !much_left || now_ms < seen.rests_until_ms {
            return None;
        }
        let expected = requests.saturating_mul(lease_ms.get()).div_ceil(watched_ms);
        if expected < WORTH {
            return None;
        }
        seen.rests_until_ms = now_ms + GENERATION_MS;
        Some(LeaseAsk { wish: LeaseWish::clamped(with_margin(expected)), lease_ms })
    }

    /// Notes what the ledger decided of a charge, with or without a lease.
    pub(super) fn answered(&mut self, counter: &CounterName, outcome: &ChargeOutcome) {
        if let Some(seen) = self.current.get_mut(counter) {
            seen.left = outcome.remaining;
            if outcome.lease.is_some() {
                seen.rests_until_ms = 0;
            }
        }
    }

    fn turn(&mut self, now_ms: u64) {
        let passed_ms = now_ms.abs_diff(self.turned_ms);
        if passed_ms < GENERATION_MS {
            return;
        }
        self.previous = std::mem::take(&mut self.current);
        if passed_ms >= 2 * GENERATION_MS {
            self.previous.clear();
        }
        self.turned_ms = now_ms;
    }
}

/// Adds to the expected demand what random arrivals may: twice its standard deviation, if they are
/// independent. A lease that is used up stops the traffic for a round trip; what is not spent is
/// parked until the lease ends.
fn with_margin(expected: u64) -> u64 {
    expected.saturating_add(expected.isqrt().saturating_mul(2))
}

/// Returns the length of a lease of this quota; `None` if it has no leases.
fn lease_ms(quota: &Quota) -> Option<WindowMs> {
    if quota.limit() <= EXACT_LIMIT {
        return None;
    }
    match quota {
        Quota::SlidingWindow(quota) => {
            let window_ms = quota.window_ms.get();
            let lease_ms = (window_ms / 128).clamp(SHORTEST_LEASE_MS, LONGEST_LEASE_MS);
            (window_ms >= MIN_WINDOW_MS).then_some(WindowMs::clamped(lease_ms))
        }
        Quota::FixedWindow(_) => Some(WindowMs::clamped(LONGEST_LEASE_MS)),
        Quota::TokenBucket(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::{admitted_with, charge_of};

    fn watched(limit: u64, left: u64, requests: u64) -> Option<LeaseAsk> {
        let charge = charge_of("a", limit);
        let mut demand = Demand::default();
        demand.note(1_000, &charge.counter);
        demand.answered(&charge.counter, &admitted_with(limit, left));
        (1..requests).for_each(|_| demand.note(1_000, &charge.counter));
        demand.ask(1_000, &charge.counter, &charge.quota)
    }

    #[test]
    fn a_lease_is_asked_for_where_demand_is_high_and_much_is_left() {
        assert_eq!(watched(1_000, 900, HOT - 1), None);
        assert_eq!(watched(1_000, MUCH * 2 - 4, HOT), None, "less than an eighth");
        assert_eq!(watched(200, MUCH - 1, HOT), None);
        assert_eq!(watched(EXACT_LIMIT, EXACT_LIMIT, HOT), None);
        assert!(watched(EXACT_LIMIT + 1, EXACT_LIMIT, HOT).is_some());
        // 16 in 250 ms are 30 in a 128th of a minute, give or take 5.
        let ask = watched(1_000, 900, HOT).unwrap();
        assert_eq!((ask.wish.get(), ask.lease_ms.get()), (40, 468));
    }

    #[test]
    fn demand_that_is_too_low_yet_is_looked_at_again_at_once() {
        let mut charge = charge_of("a", 1_000);
        let window_ms = WindowMs::clamped(2_000);
        charge.quota = Quota::SlidingWindow(crate::quota::SlidingWindow {
            limit: crate::quota::Limit::clamped(1_000),
            window_ms,
        });
        let mut demand = Demand::default();
        let mut ask = |now_ms: u64| {
            demand.note(now_ms, &charge.counter);
            demand.answered(&charge.counter, &admitted_with(1_000, 900));
            demand.ask(now_ms, &charge.counter, &charge.quota).is_some()
        };
        // One each ms: 5 in 20 ms are expected once 50 have come within 250 ms.
        let first = (0..100).find(|ms| ask(1_000 + ms));
        assert!(first.is_some_and(|ms| (45..80).contains(&ms)), "{first:?}");
    }

    #[test]
    fn a_lease_is_asked_for_once() {
        let charge = charge_of("a", 1_000);
        let mut demand = Demand::default();
        let mut ask = |now_ms: u64, answer: Option<&ChargeOutcome>| {
            (0..HOT).for_each(|_| demand.note(now_ms, &charge.counter));
            if let Some(outcome) = answer {
                demand.answered(&charge.counter, outcome);
            }
            demand.ask(now_ms, &charge.counter, &charge.quota).is_some()
        };
        let plain = admitted_with(1_000, 900);
        assert!(ask(1_000, Some(&plain)));
        assert!(!ask(1_001, Some(&plain)), "it was not granted");
        assert!(ask(1_250, None));
        let lease = Some(crate::wire::LeaseGrant { granted: 10, lease_ms: 468 });
        assert!(ask(1_251, Some(&ChargeOutcome { lease, ..plain })), "the next one");
    }

    #[test]
    fn demand_is_forgotten() {
        let charge = charge_of("a", 1_000);
        let mut demand = Demand::default();
        (0..HOT).for_each(|_| demand.note(1_000, &charge.counter));
        demand.answered(&charge.counter, &admitted_with(1_000, 900));
        demand.note(1_600, &charge.counter);
        assert_eq!(demand.ask(1_600, &charge.counter, &charge.quota), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut demand = Demand::default();
        for at in 0..3 * MAX_COUNTERS {
            demand.note(1_000, &charge_of(&format!("k{at}"), 5).counter);
        }
        assert_eq!(demand.current.len(), MAX_COUNTERS);
        demand.note(2_000, &charge_of("a", 5).counter);
        assert_eq!((demand.current.len(), demand.previous.len()), (1, 0));
    }
}
