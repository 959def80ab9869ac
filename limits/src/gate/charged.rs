//! A request's charges, and which of them the policy refunds. Called by the gate's events.

use crate::counter::CounterName;
use crate::plan::PlannedCharge;
use crate::policy::{Policy, Refund};
use crate::quota::{Limit, Quota, WindowMs};
use crate::wire::{Cost, Decision, SettleAmount, SettleCharge};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A request's outcome, as shown by its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The HTTP status; of a gRPC response, the equivalent of its gRPC status
    /// ([`to_http`](crate::grpc::to_http)), or [`Self::UNKNOWN`].
    pub status: u16,
    /// True if the response reports a cache hit.
    pub is_cache_hit: bool,
}

impl Outcome {
    /// The status of a response that does not show it yet.
    pub const UNKNOWN: u16 = 0;
}

/// A charge, or part of one, that can be given back.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The id of the decision that charged it.
    pub(super) decision: Arc<str>,
    /// The bucket's index in the policy.
    pub(super) bucket: usize,
    pub(super) counter: CounterName,
    pub(super) quota: Quota,
    /// The amount to give back, at least 1.
    pub(super) amount: u64,
    /// The decision's full charge: the cost, or the lease's grant.
    pub(super) charged: u64,
    /// The lease's length, if this is part of a lease.
    pub(super) lease_ms: Option<WindowMs>,
    /// The total given back of the lease so far, shared by all parts of the lease.
    pub(super) returned: Arc<AtomicU64>,
}

impl Part {
    /// Returns the settle charge for this part. For a lease, its amount is the total given back so
    /// far.
    pub(super) fn give_back(&self) -> SettleCharge {
        let total = self.lease_ms.map_or(self.amount, |_| self.returned.load(Ordering::Relaxed));
        SettleCharge {
            counter: self.counter.clone(),
            quota: self.quota,
            amount: SettleAmount::GiveBack(Limit::clamped(total)),
            charged: Cost::clamped(self.charged),
            lease_ms: self.lease_ms,
        }
    }
}

/// Returns true if the policy refunds charges of this bucket for some outcome. `bucket`: its index.
pub(super) fn is_refundable(policy: &Policy, bucket: usize) -> bool {
    policy.buckets.get(bucket).is_some_and(|bucket| !bucket.refund.is_empty())
}

/// Returns true if the policy refunds charges of this bucket for this outcome. `bucket`: its index.
pub(super) fn is_refunded(policy: &Policy, bucket: usize, outcome: Outcome) -> bool {
    let bucket = policy.buckets.get(bucket);
    bucket.is_some_and(|bucket| bucket.refund.iter().any(|refund| covers(*refund, outcome)))
}

fn covers(refund: Refund, outcome: Outcome) -> bool {
    match refund {
        Refund::Success => (200..400).contains(&outcome.status),
        Refund::ClientError => (400..500).contains(&outcome.status),
        Refund::ServerError => (500..600).contains(&outcome.status),
        Refund::CacheHit => outcome.is_cache_hit,
        Refund::Status(status) => outcome.status == status,
    }
}

/// Returns what `decision` charged: all charges of an admitted request, except shadow charges that
/// did not fit.
pub(super) fn by_ledger(charges: &[PlannedCharge], decision: &Decision) -> Vec<Part> {
    if !decision.admitted {
        return Vec::new();
    }
    let name: Arc<str> = decision.id.as_str().into();
    let taken = charges.iter().zip(&decision.charges).filter(|(_, outcome)| outcome.admitted);
    taken
        .map(|(planned, _)| Part {
            decision: name.clone(),
            bucket: planned.bucket,
            counter: planned.charge.counter.clone(),
            quota: planned.charge.quota,
            amount: planned.charge.cost.get(),
            charged: planned.charge.cost.get(),
            lease_ms: None,
            returned: Arc::default(),
        })
        .collect()
}
