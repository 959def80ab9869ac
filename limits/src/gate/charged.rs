//! What a request was charged, for giving it back. Called by the gate.

use crate::counter::CounterName;
use crate::plan::PlannedCharge;
use crate::policy::Policy;
use crate::quota::{Quota, WindowMs};
use crate::wire::{Decision, SettleAmount, SettleCharge};
use std::rc::Rc;

/// One counter's part of what was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The decision that charged it.
    pub(super) decision: Rc<str>,
    /// The bucket's place in the policy.
    pub(super) bucket: usize,
    pub(super) counter: CounterName,
    pub(super) quota: Quota,
    /// ≥ 1.
    pub(super) amount: u64,
    /// The lease's length, if it is a part of one.
    pub(super) lease_ms: Option<WindowMs>,
}

impl Part {
    /// What the shim is asked.
    pub(super) fn give_back(&self) -> SettleCharge {
        SettleCharge {
            counter: self.counter.clone(),
            quota: self.quota.clone(),
            amount: SettleAmount::GiveBack(crate::quota::Limit::clamped(self.amount)),
            lease_ms: self.lease_ms,
        }
    }
}

/// Whether the policy gives back any of what its bucket at this place charges.
pub(super) fn may_be_free(policy: &Policy, bucket: usize) -> bool {
    policy.buckets.get(bucket).is_some_and(|bucket| !bucket.refund.is_empty())
}

/// What `decision` charged: all charges of an admitted request, but for shadows that did not fit.
pub(super) fn by_ledger(
    charges: &[PlannedCharge],
    decision: &Decision,
    name: &Rc<str>,
) -> Vec<Part> {
    if !decision.admitted {
        return Vec::new();
    }
    let taken = charges.iter().zip(&decision.charges).filter(|(_, outcome)| outcome.admitted);
    taken
        .map(|(planned, _)| Part {
            decision: name.clone(),
            bucket: planned.bucket,
            counter: planned.charge.counter.clone(),
            quota: planned.charge.quota.clone(),
            amount: planned.charge.cost.get(),
            lease_ms: None,
        })
        .collect()
}
