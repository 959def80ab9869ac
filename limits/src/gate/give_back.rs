//! Charges and leases go back to the ledger.

use super::Gate;
use super::call::CallKind;
use super::charged::Part;
use super::metrics::Event;
use super::settles::Sending;

impl Gate {
    /// Gives back parts of one request's charges. Those of a lease that lasts are put back into it.
    pub(super) fn give_back(&mut self, now_ms: u64, parts: Vec<Part>) {
        let (leased, charged): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.lease_ms.is_some());
        let dropped = self.settles.give_back(&charged);
        self.metrics.added(Event::SettlesDropped, dropped as u64);
        for part in leased {
            if !self.leases.put_back(now_ms, &part) {
                self.return_lease(&part);
            }
        }
    }

    /// Gives back what is unspent of the leases that have ended; of all leases, if the gate closes.
    pub(super) fn return_leases(&mut self, now_ms: u64) {
        let unspent =
            if self.closes.is_some() { self.leases.end_all() } else { self.leases.end_due(now_ms) };
        unspent.iter().for_each(|part| self.return_lease(part));
    }

    /// Gives back a part of a lease.
    pub(super) fn return_lease(&mut self, part: &Part) {
        self.metrics.added(Event::LeasesReturned, part.amount);
        let dropped = self.settles.return_lease(part);
        self.metrics.added(Event::SettlesDropped, dropped as u64);
    }

    /// Notes what became of settles that were sent: counters with something given back may admit again.
    pub(super) fn note_settled(&mut self, sending: Sending) {
        match sending {
            Sending::Unknown => {}
            Sending::Arrived(settles) => {
                self.metrics.called(CallKind::Settle, true);
                for charge in settles.iter().flat_map(|settle| &settle.charges) {
                    self.denied.forget(&charge.counter);
                }
            }
            Sending::Failed => self.metrics.called(CallKind::Settle, false),
            Sending::GivenUp(count) => {
                self.metrics.called(CallKind::Settle, false);
                self.metrics.added(Event::SettlesDropped, count as u64);
            }
        }
    }
}
