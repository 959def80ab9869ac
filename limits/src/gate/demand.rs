//! Tracks how often each counter is charged, so that leases are requested only where they pay off.
//! Called by `arrive` and `reply`.

use crate::counter::CounterName;
use crate::quota::{Quota, WindowMs};
use crate::wire::{Charge, ChargeOutcome, LeaseAsk, LeaseWish};
use rustc_hash::FxHashMap;

/// The length of a generation of counts, in ms. The previous generation is kept as well.
const GENERATION_MS: u64 = 250;
/// The most counters watched in a generation. A counter with enough traffic for a lease soon gets a
/// place.
const MAX_COUNTERS: usize = 1_024;
/// The number of requests within two generations that justifies a lease.
const MIN_REQUESTS: u64 = 16;
/// The number of calls that a lease must be expected to save. Most of a smaller lease would go
/// unspent.
const MIN_CALLS_SAVED: u64 = 5;
/// Limits up to this are exact to the request. They have no leases, because leases are dated ahead.
const EXACT_LIMIT: u64 = 128;
/// With less than this left, or less than an eighth of the limit, the ledger decides each request.
const MIN_REMAINING: u64 = 64;
const SHORTEST_LEASE_MS: u64 = 20;
const LONGEST_LEASE_MS: u64 = 500;
/// The shortest window that has leases. In shorter ones, leases would be too short to pay off.
const MIN_WINDOW_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Demand {
    current: FxHashMap<CounterName, Seen>,
    previous: FxHashMap<CounterName, Seen>,
    rotated_ms: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    requests: u64,
    /// Their costs, in all.
    cost: u64,
    /// The remaining capacity last reported by the ledger.
    left: u64,
    /// No lease is requested before this time: a request for one is under way, or was just denied.
    rests_until_ms: u64,
}

impl Demand {
    /// Records that a request wants to make `charge`.
    pub(super) fn note(&mut self, now_ms: u64, charge: &Charge) {
        self.rotate(now_ms);
        let (counter, cost) = (&charge.counter, charge.cost.get());
        if let Some(seen) = self.current.get_mut(counter) {
            seen.requests += 1;
            seen.cost = seen.cost.saturating_add(cost);
        } else if self.current.len() < MAX_COUNTERS {
            let before = self.previous.get(counter).copied().unwrap_or_default();
            self.current.insert(counter.clone(), Seen { requests: 1, cost, ..before });
        }
    }

    /// Returns the lease to request along with a charge, if demand is high and enough is left.
    pub(super) fn ask(
        &mut self,
        now_ms: u64,
        counter: &CounterName,
        quota: &Quota,
    ) -> Option<LeaseAsk> {
        let lease_ms = lease_ms(quota)?;
        let before = self.previous.get(counter).copied().unwrap_or_default();
        let watched_ms = GENERATION_MS + now_ms.saturating_sub(self.rotated_ms);
        let seen = self.current.get_mut(counter)?;
        let requests = before.requests + seen.requests;
        let has_enough = seen.left >= MIN_REMAINING.max(quota.limit() / 8);
        if requests < MIN_REQUESTS || !has_enough || now_ms < seen.rests_until_ms {
            return None;
        }
        let expected = requests.saturating_mul(lease_ms.get()).div_ceil(watched_ms);
        if expected < MIN_CALLS_SAVED {
            return None;
        }
        seen.rests_until_ms = now_ms + GENERATION_MS;
        let mean_cost = before.cost.saturating_add(seen.cost).div_ceil(requests);
        let wish = with_margin(expected).saturating_mul(mean_cost);
        Some(LeaseAsk { wish: LeaseWish::clamped(wish), lease_ms })
    }

    /// Records the ledger's outcome of a charge, with or without a lease.
    pub(super) fn note_outcome(&mut self, counter: &CounterName, outcome: &ChargeOutcome) {
        if let Some(seen) = self.current.get_mut(counter) {
            seen.left = outcome.remaining;
            if outcome.lease.is_some() {
                seen.rests_until_ms = 0;
            }
        }
    }

    fn rotate(&mut self, now_ms: u64) {
        let passed_ms = now_ms.abs_diff(self.rotated_ms);
        if passed_ms < GENERATION_MS {
            return;
        }
        self.previous = std::mem::take(&mut self.current);
        if passed_ms >= 2 * GENERATION_MS {
            self.previous.clear();
        }
        self.rotated_ms = now_ms;
    }
}

/// Adds a margin for random arrivals to the expected demand: twice its standard deviation, assuming
/// independent arrivals. A lease that runs out stalls the traffic for a round trip, while an
/// unspent rest is unavailable to others until the lease ends.
fn with_margin(expected: u64) -> u64 {
    expected.saturating_add(expected.isqrt().saturating_mul(2))
}

/// Returns true if counters of this quota can be leased.
pub(super) fn has_leases(quota: &Quota) -> bool {
    lease_ms(quota).is_some()
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
        // A gateway that dies with a lease of a balance would lose what was paid for.
        Quota::TokenBucket(_) | Quota::Balance(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::{admitted_with, charge_of};
    use crate::wire::Cost;

    fn lease_after(limit: u64, left: u64, requests: u64) -> Option<LeaseAsk> {
        let charge = charge_of("a", limit);
        let mut demand = Demand::default();
        demand.note(1_000, &charge);
        demand.note_outcome(&charge.counter, &admitted_with(limit, left));
        (1..requests).for_each(|_| demand.note(1_000, &charge));
        demand.ask(1_000, &charge.counter, &charge.quota)
    }

    #[test]
    fn a_lease_needs_high_demand_and_enough_left() {
        assert_eq!(lease_after(1_000, 900, MIN_REQUESTS - 1), None);
        assert_eq!(
            lease_after(1_000, MIN_REMAINING * 2 - 4, MIN_REQUESTS),
            None,
            "less than an eighth"
        );
        assert_eq!(lease_after(200, MIN_REMAINING - 1, MIN_REQUESTS), None);
        assert_eq!(lease_after(EXACT_LIMIT, EXACT_LIMIT, MIN_REQUESTS), None);
        assert!(lease_after(EXACT_LIMIT + 1, EXACT_LIMIT, MIN_REQUESTS).is_some());
        // 16 requests in 250 ms are 30 in a 128th of a minute; the margin makes 40.
        let ask = lease_after(1_000, 900, MIN_REQUESTS).unwrap();
        assert_eq!((ask.wish.get(), ask.lease_ms.get()), (40, 468));
    }

    #[test]
    fn a_lease_is_as_large_as_the_costs() {
        let lease = |costs: [u64; 2]| {
            let mut charge = charge_of("a", 1_000_000);
            let mut demand = Demand::default();
            for at in 0..MIN_REQUESTS {
                charge.cost = Cost::clamped(costs[usize::from(at % 2 == 0)]);
                demand.note(1_000, &charge);
            }
            demand.note_outcome(&charge.counter, &admitted_with(1_000_000, 900_000));
            demand.ask(1_000, &charge.counter, &charge.quota).map(|ask| ask.wish.get())
        };
        assert_eq!(lease([1, 1]), Some(40));
        assert_eq!(lease([100, 100]), Some(4_000));
        assert_eq!(lease([1, 100]), Some(40 * 51));
        assert_eq!(lease([1 << 53, 1 << 53]), Some(1 << 32), "the largest wish");
    }

    #[test]
    fn low_demand_is_reconsidered_with_each_request() {
        let mut charge = charge_of("a", 1_000);
        let window_ms = WindowMs::clamped(2_000);
        charge.quota = Quota::SlidingWindow(crate::quota::SlidingWindow {
            limit: crate::quota::Limit::clamped(1_000),
            window_ms,
        });
        let mut demand = Demand::default();
        let mut ask = |now_ms: u64| {
            demand.note(now_ms, &charge);
            demand.note_outcome(&charge.counter, &admitted_with(1_000, 900));
            demand.ask(now_ms, &charge.counter, &charge.quota).is_some()
        };
        // At one request per ms, 50 within 250 ms make 5 expected in the lease's 20 ms.
        let first = (0..100).find(|ms| ask(1_000 + ms));
        assert!(first.is_some_and(|ms| (45..80).contains(&ms)), "{first:?}");
    }

    #[test]
    fn one_lease_is_requested_at_a_time() {
        let charge = charge_of("a", 1_000);
        let mut demand = Demand::default();
        let mut ask = |now_ms: u64, answer: Option<&ChargeOutcome>| {
            (0..MIN_REQUESTS).for_each(|_| demand.note(now_ms, &charge));
            if let Some(outcome) = answer {
                demand.note_outcome(&charge.counter, outcome);
            }
            demand.ask(now_ms, &charge.counter, &charge.quota).is_some()
        };
        let plain = admitted_with(1_000, 900);
        assert!(ask(1_000, Some(&plain)));
        assert!(!ask(1_001, Some(&plain)), "the last request was not granted");
        assert!(ask(1_250, None));
        let lease = Some(crate::wire::LeaseGrant { granted: 10, lease_ms: 468 });
        assert!(ask(1_251, Some(&ChargeOutcome { lease, ..plain })), "the next lease");
    }

    #[test]
    fn old_demand_is_forgotten() {
        let charge = charge_of("a", 1_000);
        let mut demand = Demand::default();
        (0..MIN_REQUESTS).for_each(|_| demand.note(1_000, &charge));
        demand.note_outcome(&charge.counter, &admitted_with(1_000, 900));
        demand.note(1_600, &charge);
        assert_eq!(demand.ask(1_600, &charge.counter, &charge.quota), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut demand = Demand::default();
        for at in 0..3 * MAX_COUNTERS {
            demand.note(1_000, &charge_of(&format!("k{at}"), 5));
        }
        assert_eq!(demand.current.len(), MAX_COUNTERS);
        demand.note(2_000, &charge_of("a", 5));
        assert_eq!((demand.current.len(), demand.previous.len()), (1, 0));
    }
}
