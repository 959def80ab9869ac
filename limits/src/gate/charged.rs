//! What a request was charged, for giving it back. Called by the gate.

use crate::counter::CounterName;
use crate::plan::PlannedCharge;
use crate::policy::Policy;
use crate::quota::{Limit, Quota, WindowMs};
use crate::wire::{Cost, Decision, SettleAmount, SettleCharge};
use std::cell::Cell;
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
    /// What the decision charged in full: the cost, or the lease's grant.
    pub(super) charged: u64,
    /// The lease's length, if it is a part of one.
    pub(super) lease_ms: Option<WindowMs>,
    /// How much of the lease has been given back so far; all parts of one lease share this.
    pub(super) returned: Rc<Cell<u64>>,
}

impl Part {
    /// Asks the shim for this part; of a lease, for all that has come back so far.
    pub(super) fn give_back(&self) -> SettleCharge {
        let total = self.lease_ms.map_or(self.amount, |_| self.returned.get());
        SettleCharge {
            counter: self.counter.clone(),
            quota: self.quota,
            amount: SettleAmount::GiveBack(Limit::clamped(total)),
            charged: Cost::clamped(self.charged),
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
            quota: planned.charge.quota,
            amount: planned.charge.cost.get(),
            charged: planned.charge.cost.get(),
            lease_ms: None,
            returned: Rc::default(),
        })
        .collect()
}
