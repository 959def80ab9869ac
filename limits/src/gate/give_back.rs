//! Gives charges and leases back to the ledger.

use super::Gate;
use super::call::CallKind;
use super::charged::Part;
use super::metrics::Event;
use super::settles::SendOutcome;

impl Gate {
    /// Gives back parts of one request's charges. Parts of a lease that is still active return to
    /// it.
    pub(super) fn give_back(&mut self, now_ms: u64, parts: Vec<Part>) {
        let (leased, charged): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.lease_ms.is_some());
        let dropped = self.settles.give_back(&charged);
        self.metrics.add_amount(Event::SettlesDropped, dropped as u64);
        for part in leased {
            if !self.leases.put_back(now_ms, &part) {
                self.return_lease(&part);
            }
        }
    }

    /// Gives back the unspent rest of leases that have ended, or of all leases if the gate is
    /// closing.
    pub(super) fn return_leases(&mut self, now_ms: u64) {
        let unspent =
            if self.closes.is_some() { self.leases.end_all() } else { self.leases.end_due(now_ms) };
        unspent.iter().for_each(|part| self.return_lease(part));
    }

    /// Gives back a part of a lease.
    pub(super) fn return_lease(&mut self, part: &Part) {
        self.metrics.add_amount(Event::LeasesReturned, part.amount);
        let dropped = self.settles.return_lease(part);
        self.metrics.add_amount(Event::SettlesDropped, dropped as u64);
    }

    /// Records the outcome of a settle call. Counters that were given something back may admit
    /// again.
    pub(super) fn note_settled(&mut self, outcome: SendOutcome) {
        match outcome {
            SendOutcome::Unknown => {}
            SendOutcome::Arrived(settles) => {
                self.metrics.record_call(CallKind::Settle, true);
                for charge in settles.iter().flat_map(|settle| &settle.charges) {
                    self.denied.forget(&charge.counter);
                }
            }
            SendOutcome::Failed => self.metrics.record_call(CallKind::Settle, false),
            SendOutcome::GivenUp(count) => {
                self.metrics.record_call(CallKind::Settle, false);
                self.metrics.add_amount(Event::SettlesDropped, count as u64);
            }
        }
    }
}
