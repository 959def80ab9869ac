//! Checks that nothing is refused, or made to wait, needlessly.
//!
//! A refused cost must not have fitted according to the plain log of charges, leases and refunds,
//! and its Retry-After must not be longer than needed. A worker may repeat a refusal of the ledger
//! for up to a second, but no longer than the ledger's wait. An Envoy without the ledger counts
//! only the requests that it admitted itself.

use super::plain::{Charge, PlainCounter};
use crate::log::{Act, Line};
use crate::record::{DecidedBy, Due, Record, Refusal, Request};
use limits::counter::CounterName;
use limits::ledger::Method;
use limits::quota::{FixedWindow, Quota, SlidingWindow, WindowMs};
use std::collections::BTreeMap;

/// The maximum time for which a worker repeats a refusal.
const REMEMBERED_US: u64 = 1_000_000;
/// Workers and the ledger calculate in whole ms.
const ROUNDING_US: u64 = 1_000;

/// A refusal by the ledger.
#[derive(Clone, Copy)]
struct Refused {
    at_us: u64,
    /// The end of its wait.
    until_us: u64,
    cost: u64,
    limit: u64,
}

impl Refused {
    /// Returns true if a charge that is refused at `now_us` is refused for the same reason: it costs
    /// at least as much, of a limit that is not larger.
    fn covers(&self, due: &Due) -> bool {
        self.cost <= due.cost && due.limit() <= self.limit
    }
}

pub(super) fn needless(record: &Record) -> Vec<String> {
    let mut broken = by_the_ledger(&record.ledger);
    broken.extend(unexplained(record));
    broken.extend(by_envoys(record));
    broken
}

/// Returns the ledger's needless refusals and waits.
fn by_the_ledger(ledger: &[Line]) -> Vec<String> {
    let mut counters: BTreeMap<&CounterName, PlainCounter> = BTreeMap::new();
    let mut charges: BTreeMap<(&str, &CounterName, bool), Charge> = BTreeMap::new();
    let mut broken = Vec::new();
    for Line { at_us, now_ms, act, .. } in ledger {
        match act {
            Act::Charged { decision, counter, method, amount, lease_ms } => {
                let plain = counters.entry(counter).or_default();
                let charge = plain.charge(*now_ms, *amount, lease_ms.unwrap_or(0), method);
                charges.insert((decision, counter, lease_ms.is_some()), charge);
            }
            Act::GivenBack { decision, counter, amount, is_lease } => {
                let charge = charges.get_mut(&(decision.as_str(), counter, *is_lease));
                if let Some((plain, charge)) = counters.get_mut(counter).zip(charge) {
                    let before = if *is_lease { charge.given_back() } else { 0 };
                    plain.give_back(amount.saturating_sub(before), charge);
                }
            }
            Act::ToppedUp { counter, amount } => {
                counters.entry(counter).or_default().top_up(*amount);
            }
            Act::Refused { counter, method, cost, retry_after_ms, blocked_ms } => {
                let due_ms = counters.entry(counter).or_default().wait_ms(*now_ms, *cost, method);
                let due_ms = due_ms.max(blocked_ms.unwrap_or(0));
                if *retry_after_ms > due_ms {
                    broken.push(format!(
                        "{counter}: at {at_us} µs the ledger refuses {cost} for {retry_after_ms} \
                         ms, but it fits after {due_ms} ms"
                    ));
                }
            }
        }
    }
    broken
}

/// Returns the workers' refusals that no refusal by the ledger explains.
fn unexplained(record: &Record) -> Vec<String> {
    let mut refusals: BTreeMap<(usize, usize, &CounterName), Vec<Refused>> = BTreeMap::new();
    for Line { at_us, envoy, vm, act, .. } in &record.ledger {
        if let Act::Refused { counter, method, cost, retry_after_ms, .. } = act {
            let until_us = at_us + retry_after_ms.saturating_mul(1_000);
            let (at_us, cost, limit) = (*at_us, *cost, method.limit());
            let refused = Refused { at_us, until_us, cost, limit };
            refusals.entry((*envoy, *vm, counter)).or_default().push(refused);
        }
    }
    let mut broken = Vec::new();
    for (number, request, refusal, due) in refused(record) {
        let asked_us = request.paused_us.unwrap_or(refusal.at_us);
        let explains = |one: &Refused| match refusal.by {
            DecidedBy::Ledger => (asked_us..=refusal.at_us).contains(&one.at_us),
            DecidedBy::DeniedBefore => {
                let until_us = (one.at_us + REMEMBERED_US).min(one.until_us) + ROUNDING_US;
                (one.at_us..until_us).contains(&refusal.at_us) && one.covers(due)
            }
            DecidedBy::Envoy => true,
        };
        let of_worker = refusals.get(&(request.envoy, request.vm, &due.counter));
        if refusal.by != DecidedBy::Envoy
            && !of_worker.is_some_and(|refusals| refusals.iter().any(explains))
        {
            broken.push(format!(
                "{}: request {number} is refused at {} µs ({:?}), but the ledger's refusal is \
                 missing or expired",
                due.counter, refusal.at_us, refusal.by
            ));
        }
    }
    broken
}

/// Returns the needless refusals by Envoys without the ledger.
fn by_envoys(record: &Record) -> Vec<String> {
    /// Sorts charges before refusals at the same time, because their true order is unknown.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Local {
        Passes,
        Refused,
    }
    let mut happened = Vec::new();
    for (number, request) in record.requests.iter().enumerate().filter(|(_, one)| one.is_degraded) {
        if let Some(at_us) = request.upstream_us {
            let counted = request.due.iter().filter(|due| due.on_failure.is_local());
            happened.extend(counted.map(|due| (at_us, Local::Passes, number, request.envoy, due)));
        }
    }
    for (number, request, refusal, due) in refused(record) {
        if refusal.by == DecidedBy::Envoy {
            happened.push((refusal.at_us, Local::Refused, number, request.envoy, due));
        }
    }
    happened.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
    let mut counters: BTreeMap<(usize, &CounterName), PlainCounter> = BTreeMap::new();
    let mut broken = Vec::new();
    for (at_us, what, number, envoy, due) in happened {
        let method = local_method(due.quota);
        let plain = counters.entry((envoy, &due.counter)).or_default();
        let now_ms = at_us / 1_000;
        if what == Local::Passes {
            plain.charge(now_ms, due.cost, 0, &method);
        } else if plain.wait_ms(now_ms, due.cost, &method) == 0 {
            let counter = &due.counter;
            broken.push(format!(
                "{counter}: Envoy {envoy} refuses request {number} at {at_us} µs, but it fits"
            ));
        }
    }
    broken
}

/// Returns the method that an Envoy uses without the ledger. It counts a calendar quota as a
/// sliding window as long as the longest period.
fn local_method(quota: Quota) -> Method {
    match quota {
        Quota::SlidingWindow(window) => Method::SlidingWindow(window),
        Quota::FixedWindow(FixedWindow { limit, per, .. }) => {
            let window_ms = WindowMs::clamped(per.longest_ms());
            Method::SlidingWindow(SlidingWindow { limit, window_ms })
        }
        Quota::TokenBucket(bucket) => Method::TokenBucket(bucket),
        Quota::Balance(balance) => Method::Balance(balance),
    }
}

/// Iterates over refused requests, each with its number and the charge that was refused.
fn refused(record: &Record) -> impl Iterator<Item = (usize, &Request, &Refusal, &Due)> {
    record.requests.iter().enumerate().filter_map(|(number, request)| {
        let refusal = request.refusal.as_ref()?;
        let due = request.due.iter().find(|due| due.counter.bucket() == refusal.bucket)?;
        Some((number, request, refusal, due))
    })
}
