//! Gives up on the ledger for requests whose call failed or that waited too long.

use super::call::CallKind;
use super::deciding::Deciding;
use super::metrics::Event;
use super::outbox::{StreamId, Waiting};
use super::shared::SharedData;
use super::{Gate, Released, Stream, ms};

impl Gate {
    /// Gives up the requests of a failed call, or all waiting requests if the failure opens the
    /// breaker.
    pub(super) fn fail(
        &mut self,
        now_us: u64,
        call: Deciding,
        shared: &impl SharedData,
    ) -> Vec<Released> {
        self.metrics.record_call(CallKind::Decide, false);
        let (mut batch, mut released) = (call.batch, Vec::new());
        if call.counts_failure {
            self.deciding.ignore_failures();
            self.note_contact(false);
        }
        if call.counts_failure && self.breaker.failed(ms(now_us)) {
            self.metrics.increment(Event::BreakerOpened);
            if self.closes.is_none() {
                self.metrics.add(Event::BreakersOpen, 1);
            }
            batch.extend(self.outbox.take_all());
            let calls = std::mem::take(&mut self.deciding);
            released.extend(calls.waiting().filter_map(|one| self.give_up(now_us, one, shared)));
            self.deciding = calls;
        }
        released.extend(batch.iter().filter_map(|one| self.give_up(now_us, one, shared)));
        released
    }

    /// Decides a request without the ledger, if its stream is still waiting.
    pub(super) fn give_up(
        &mut self,
        now_us: u64,
        waiting: &Waiting,
        shared: &impl SharedData,
    ) -> Option<Released> {
        let stream = waiting.stream;
        if !self.is_waiting(stream) {
            return None;
        }
        self.metrics.observe(Event::WaitUs, now_us.saturating_sub(waiting.arrived_us));
        let release = self.degrade(ms(now_us), stream, &waiting.asked, shared);
        Some(Released { stream, release })
    }

    /// Returns true if `stream` exists and is not yet decided.
    pub(super) fn is_waiting(&self, stream: StreamId) -> bool {
        matches!(self.streams.get(&stream), Some(Stream::Waiting))
    }
}
