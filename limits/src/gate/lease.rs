//! Leases: parts of counters' capacity that are charged in advance and spent here without asking
//! the ledger. Called by the gate's events.
//!
//! A lease is charged when granted, and dated at its end. So anything spent from it has already
//! been charged, and counts at least as long as it must.

use super::call::CallTimes;
use super::charged::Part;
use crate::counter::CounterName;
use crate::plan::PlannedCharge;
use crate::quota::{Quota, WindowMs};
use crate::wire::{ChargeOutcome, LeaseGrant};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The most leases held at once.
const MAX_LEASES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Leases {
    held: FxHashMap<CounterName, Lease>,
}

#[derive(Debug)]
struct Lease {
    quota: Quota,
    bucket: usize,
    decision: Arc<str>,
    lease_ms: WindowMs,
    granted: u64,
    unspent: u64,
    returned: Arc<AtomicU64>,
    /// The times at which the lease was requested, and granted along with `outcome`.
    times: CallTimes,
    ends_ms: u64,
    outcome: ChargeOutcome,
}

/// A lease that the ledger granted along with a charge.
pub(super) struct Granted {
    pub(super) decision: Arc<str>,
    pub(super) grant: LeaseGrant,
    pub(super) outcome: ChargeOutcome,
    pub(super) times: CallTimes,
}

impl Leases {
    /// Returns true if another lease can be held.
    pub(super) fn has_room(&self) -> bool {
        self.held.len() < MAX_LEASES
    }

    /// Returns true if a lease of `counter` is held.
    pub(super) fn has(&self, counter: &CounterName) -> bool {
        self.held.contains_key(counter)
    }

    /// Stores a lease of the counter that `planned` charges. Returns the part to give back, if any:
    /// the rest of the lease it replaces, or all of it if the table is full.
    pub(super) fn take(&mut self, planned: &PlannedCharge, granted: Granted) -> Option<Part> {
        let Granted { decision, grant, outcome, times } = granted;
        let lease = Lease {
            quota: planned.charge.quota,
            bucket: planned.bucket,
            decision,
            lease_ms: WindowMs::clamped(grant.lease_ms),
            granted: grant.granted,
            unspent: grant.granted,
            returned: Arc::default(),
            times,
            ends_ms: times.asked_ms + grant.lease_ms,
            outcome,
        };
        let counter = planned.charge.counter.clone();
        if !self.has_room() && !self.has(&counter) {
            return lease.unspent_part(counter);
        }
        let before = self.held.insert(counter.clone(), lease)?;
        before.unspent_part(counter)
    }

    /// Spends each charge's cost from its lease, if every lease has enough. Returns the outcomes,
    /// and the parts spent on refundable buckets.
    pub(super) fn spend(
        &mut self,
        now_ms: u64,
        charges: &[PlannedCharge],
        is_refundable: impl Fn(usize) -> bool,
    ) -> Option<(Vec<ChargeOutcome>, Vec<Part>)> {
        if self.held.is_empty() || !charges.iter().all(|planned| self.can_spend(now_ms, planned)) {
            return None;
        }
        let mut parts = Vec::new();
        let outcomes = charges.iter().filter_map(|planned| {
            let lease = self.held.get_mut(&planned.charge.counter)?;
            let cost = planned.charge.cost.get();
            lease.unspent = lease.unspent.checked_sub(cost)?;
            if is_refundable(planned.bucket) {
                parts.push(lease.part(planned.charge.counter.clone(), cost));
            }
            Some(lease.outcome_at(now_ms))
        });
        Some((outcomes.collect(), parts))
    }

    /// Returns a refunded part to its lease. Returns false if that lease has ended.
    pub(super) fn put_back(&mut self, now_ms: u64, part: &Part) -> bool {
        match self.held.get_mut(&part.counter) {
            Some(lease) if lease.decision == part.decision && lease.is_active(now_ms) => {
                lease.unspent += part.amount;
                true
            }
            _ => false,
        }
    }

    /// Ends the leases whose time is up, and returns their unspent parts.
    pub(super) fn end_due(&mut self, now_ms: u64) -> Vec<Part> {
        let ended = self.held.extract_if(|_, lease| !lease.is_active(now_ms));
        ended.filter_map(|(counter, lease)| lease.unspent_part(counter)).collect()
    }

    /// Ends all leases, and returns their unspent parts.
    pub(super) fn end_all(&mut self) -> Vec<Part> {
        let ended = self.held.drain();
        ended.filter_map(|(counter, lease)| lease.unspent_part(counter)).collect()
    }

    fn can_spend(&self, now_ms: u64, planned: &PlannedCharge) -> bool {
        self.held.get(&planned.charge.counter).is_some_and(|lease| {
            lease.is_active(now_ms)
                && lease.unspent >= planned.charge.cost.get()
                && lease.quota == planned.charge.quota
        })
    }
}

impl Lease {
    /// Returns true if the lease may be spent. False if the clock has stepped back.
    fn is_active(&self, now_ms: u64) -> bool {
        (self.times.asked_ms..self.ends_ms).contains(&now_ms)
    }

    /// Returns the outcome of a charge. Its remaining capacity is the ledger's plus the unspent
    /// lease.
    fn outcome_at(&self, now_ms: u64) -> ChargeOutcome {
        let passed_ms = now_ms.saturating_sub(self.times.answered_ms);
        ChargeOutcome {
            remaining: self.outcome.remaining.saturating_add(self.unspent),
            reset_ms: self.outcome.reset_ms.saturating_sub(passed_ms).max(1),
            lease: None,
            ..self.outcome
        }
    }

    fn unspent_part(&self, counter: CounterName) -> Option<Part> {
        (self.unspent > 0).then(|| self.part(counter, self.unspent))
    }

    fn part(&self, counter: CounterName, amount: u64) -> Part {
        Part {
            decision: self.decision.clone(),
            bucket: self.bucket,
            counter,
            quota: self.quota,
            amount,
            charged: self.granted,
            lease_ms: Some(self.lease_ms),
            returned: self.returned.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::{admitted_with, charge_of};

    const ASKED_MS: u64 = 10_000;

    fn planned(name: &str, limit: u64) -> PlannedCharge {
        PlannedCharge { bucket: 0, charge: charge_of(name, limit), logged: Vec::new() }
    }

    fn take(leases: &mut Leases, planned: &PlannedCharge, granted: u64) -> Option<Part> {
        let grant = LeaseGrant { granted, lease_ms: 100 };
        let outcome = admitted_with(1_000, 500);
        let times = CallTimes { asked_ms: ASKED_MS, answered_ms: ASKED_MS + 2 };
        leases.take(planned, Granted { decision: "1-a".into(), grant, outcome, times })
    }

    fn with_lease(granted: u64) -> (Leases, PlannedCharge) {
        let (mut leases, planned) = (Leases::default(), planned("a", 1_000));
        assert!(take(&mut leases, &planned, granted).is_none());
        (leases, planned)
    }

    fn spent(leases: &mut Leases, now_ms: u64, planned: &PlannedCharge) -> Option<u64> {
        let (outcomes, _) = leases.spend(now_ms, std::slice::from_ref(planned), |_| true)?;
        outcomes.first().map(|outcome| outcome.remaining)
    }

    fn unspent(parts: &[Part]) -> Vec<u64> {
        parts.iter().map(|part| part.amount).collect()
    }

    #[test]
    fn a_lease_is_spent_until_nothing_is_left() {
        let (mut leases, planned) = with_lease(2);
        assert_eq!(spent(&mut leases, ASKED_MS + 3, &planned), Some(501));
        assert_eq!(spent(&mut leases, ASKED_MS + 3, &planned), Some(500));
        assert_eq!(spent(&mut leases, ASKED_MS + 3, &planned), None);
        assert!(leases.end_due(ASKED_MS + 100).is_empty(), "nothing to give back");
        assert!(!leases.has(&planned.charge.counter));
    }

    #[test]
    fn a_lease_s_time_starts_when_it_is_requested() {
        let (mut leases, planned) = with_lease(3);
        assert_eq!(spent(&mut leases, ASKED_MS + 99, &planned), Some(502));
        assert!(leases.end_due(ASKED_MS + 99).is_empty());
        assert_eq!(spent(&mut leases, ASKED_MS + 100, &planned), None);
        let parts = leases.end_due(ASKED_MS + 100);
        assert_eq!(unspent(&parts), [2]);
        assert_eq!(parts.first().and_then(|part| part.lease_ms), Some(WindowMs::clamped(100)));
    }

    #[test]
    fn a_clock_stepping_back_ends_a_lease() {
        let (mut leases, planned) = with_lease(3);
        assert_eq!(spent(&mut leases, ASKED_MS - 1, &planned), None);
        assert_eq!(unspent(&leases.end_due(ASKED_MS - 1)), [3]);
    }

    #[test]
    fn a_request_spends_from_all_its_leases_or_none() {
        let (mut leases, first) = with_lease(1);
        let second = planned("b", 1_000);
        let both = [first.clone(), second.clone()];
        assert!(leases.spend(ASKED_MS + 3, &both, |_| true).is_none());
        assert!(take(&mut leases, &second, 1).is_none());
        assert!(leases.spend(ASKED_MS + 3, &both, |_| true).is_some());
        assert!(leases.spend(ASKED_MS + 3, &both, |_| true).is_none());
    }

    #[test]
    fn a_lease_only_covers_its_own_quota() {
        let (mut leases, _) = with_lease(3);
        assert_eq!(spent(&mut leases, ASKED_MS + 3, &planned("a", 999)), None);
    }

    #[test]
    fn a_refunded_part_can_be_spent_again() {
        let (mut leases, planned) = with_lease(1);
        let (_, parts) =
            leases.spend(ASKED_MS + 3, std::slice::from_ref(&planned), |_| true).unwrap();
        let part = parts.first().unwrap();
        assert!(leases.put_back(ASKED_MS + 50, part));
        assert_eq!(spent(&mut leases, ASKED_MS + 51, &planned), Some(500));
        assert!(!leases.put_back(ASKED_MS + 100, part), "the lease has ended");
    }

    #[test]
    fn a_new_lease_returns_the_rest_of_the_old_one() {
        let (mut leases, planned) = with_lease(3);
        let before = take(&mut leases, &planned, 7).unwrap();
        assert_eq!(before.amount, 3);
        assert_eq!(unspent(&leases.end_all()), [7]);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut leases = Leases::default();
        for at in 0..MAX_LEASES {
            assert!(take(&mut leases, &planned(&format!("k{at}"), 1_000), 1).is_none());
        }
        assert!(!leases.has_room());
        let over = take(&mut leases, &planned("a", 1_000), 5).unwrap();
        assert_eq!(over.amount, 5);
    }
}
