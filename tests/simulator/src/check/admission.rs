//! Checks that no counter over-admits, judging by the requests that reached the upstream.
//!
//! A request reaches the upstream when the decision reaches the worker, up to the record's `lag_us`
//! after the ledger made it. Requests that arrive within a window minus that lag were therefore
//! decided within one window. Requests that spend a lease or bypass the ledger arrive at once.

use crate::record::{Due, Record, Request};
use limits::counter::CounterName;
use limits::policy::OnFailure;
use limits::quota::{Quota, TokenBucket};
use std::collections::BTreeMap;

/// The clocks of the ledger and workers are rounded to whole ms.
const ROUNDING_US: u64 = 1_000;

/// The party that counts a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    ByLedger,
    ByEnvoy(usize),
}

/// The charges to one counter that reached the upstream.
#[derive(Debug)]
struct Arrivals {
    /// The quota with the largest limit of all requests.
    quota: Quota,
    limit: u64,
    /// The arrival time and cost of each charge.
    at_us: Vec<(u64, u64)>,
}

pub(super) fn over_admitted(record: &Record) -> Vec<String> {
    let mut arrivals: BTreeMap<(Counted, &CounterName), Arrivals> = BTreeMap::new();
    let mut broken = Vec::new();
    for (number, request) in record.requests.iter().enumerate() {
        let Some(at_us) = request.upstream_us else { continue };
        for due in request.due.iter().filter(|due| due.enforce) {
            let is_unlimited = due.quota.is_unlimited();
            if request.is_degraded && due.on_failure == OnFailure::Deny && !is_unlimited {
                let counter = &due.counter;
                broken.push(format!(
                    "request {number} passed without the ledger, but {counter} has on_failure: deny"
                ));
            }
            let Some(counted) = counted(request, due) else { continue };
            let new = || Arrivals { quota: due.quota, limit: 0, at_us: Vec::new() };
            let entry = arrivals.entry((counted, &due.counter)).or_insert_with(new);
            if due.limit() > entry.limit {
                (entry.quota, entry.limit) = (due.quota, due.limit());
            }
            entry.at_us.push((at_us, due.cost));
        }
    }
    broken.extend(arrivals.iter().filter_map(|((counted, counter), arrivals)| {
        let lag_us = if *counted == Counted::ByLedger { record.lag_us } else { 0 };
        let added = record.topped_up.get(counter).copied().unwrap_or(0);
        let detail = excess(arrivals, lag_us + ROUNDING_US, *counted, added)?;
        Some(format!("{counter} ({counted:?}): {detail}"))
    }));
    broken
}

/// Returns the party that counts a charge, or `None` if it was refunded or let through uncounted.
fn counted(request: &Request, due: &Due) -> Option<Counted> {
    match (request.is_degraded, due.on_failure) {
        (false, _) => (!due.is_free(request.outcome)).then_some(Counted::ByLedger),
        (true, OnFailure::Local(_)) => Some(Counted::ByEnvoy(request.envoy)),
        (true, _) => None,
    }
}

/// Describes an interval that admits too much, if there is one. `added`: the top-ups of a balance.
fn excess(arrivals: &Arrivals, lag_us: u64, counted: Counted, added: u64) -> Option<String> {
    let mut at_us = arrivals.at_us.clone();
    at_us.sort_unstable();
    match &arrivals.quota {
        Quota::SlidingWindow(window) => {
            let window_us = window.window_ms.get() * 1_000;
            within(&at_us, window_us.saturating_sub(lag_us), window.limit.get())
        }
        // The ledger's periods start at times unknown here, but half a period overlaps at most two.
        // Without the ledger, an Envoy counts a period as a sliding window.
        Quota::FixedWindow(window) if counted == Counted::ByLedger => {
            let half_us = window.per.nominal_ms() * 500;
            within(&at_us, half_us, window.limit.get() * 2)
        }
        Quota::FixedWindow(window) => {
            within(&at_us, window.per.nominal_ms() * 1_000 - lag_us, window.limit.get())
        }
        Quota::TokenBucket(bucket) => beyond_rate(&at_us, lag_us, *bucket),
        Quota::Balance(balance) => within(&at_us, u64::MAX / 2, balance.start.get() + added),
    }
}

/// Describes an interval of `length_us` whose cost exceeds `limit`, if there is one.
fn within(at_us: &[(u64, u64)], length_us: u64, limit: u64) -> Option<String> {
    let mut first = 0;
    let mut sum = 0;
    for (at, cost) in at_us {
        sum += cost;
        while let Some((oldest, gone)) = at_us.get(first).filter(|(t, _)| t + length_us <= *at) {
            debug_assert!(oldest <= at);
            sum -= gone;
            first += 1;
        }
        if sum > limit {
            let ms = length_us / 1_000;
            return Some(format!("{sum} within {ms} ms up to {at} µs, the limit is {limit}"));
        }
    }
    None
}

/// Describes an interval whose cost exceeds a full bucket plus its refill, if there is one.
fn beyond_rate(at_us: &[(u64, u64)], lag_us: u64, bucket: TokenBucket) -> Option<String> {
    let (rate, per_us) = (bucket.rate(), bucket.per_ms() * 1_000);
    at_us.iter().enumerate().find_map(|(first, (from_us, _))| {
        let mut sum = 0;
        at_us.iter().skip(first).find_map(|(to_us, cost)| {
            sum += cost;
            let allowed = bucket.burst() + (to_us - from_us + lag_us) * rate / per_us + 1;
            (sum > allowed)
                .then(|| format!("{sum} from {from_us} to {to_us} µs, expected at most {allowed}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::bounded::Bounded;

    #[test]
    fn one_request_too_many_in_any_window_is_found() {
        let check = |times: &[u64], expected: bool| {
            let at_us: Vec<_> = times.iter().map(|at| (*at, 1)).collect();
            assert_eq!(within(&at_us, 100, 2).is_some(), expected, "{times:?}");
        };
        check(&[0, 50, 100], false);
        check(&[0, 50, 99], true);
        check(&[0, 50, 100, 149], true);
        check(&[0, 0, 100, 100, 200], false);
    }

    #[test]
    fn exceeding_the_refill_rate_is_found() {
        let bucket =
            TokenBucket::new(Bounded::clamped(1), Bounded::clamped(1), Bounded::clamped(2))
                .unwrap();
        let check = |times: &[u64], expected: bool| {
            let at_us: Vec<_> = times.iter().map(|at| (*at, 1)).collect();
            assert_eq!(beyond_rate(&at_us, 0, bucket).is_some(), expected, "{times:?}");
        };
        check(&[0, 0, 0], false);
        check(&[0, 0, 0, 0], true);
        check(&[0, 0, 0, 1_000], false);
        check(&[0, 0, 0, 1_000, 1_000], true);
    }
}
