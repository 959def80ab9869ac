//! Handles the passing of time: gives up requests and calls that have waited too long.

use super::shared::SharedData;
use super::{Gate, Released, ms};

impl Gate {
    /// Decides overdue requests without the ledger, gives up lost calls, ends expired leases, and
    /// lets failed settles be sent again. Call it every [`TICK_MS`](super::TICK_MS).
    pub fn tick(&mut self, now_us: u64, shared: &impl SharedData) -> Vec<Released> {
        let now_ms = ms(now_us);
        self.return_leases(now_ms);
        let sending = self.settles.tick(now_ms);
        self.note_settled(sending);
        let mut released = Vec::new();
        while let Some(lost) = self.deciding.take_lost(now_ms) {
            released.extend(self.fail(now_us, lost, shared));
        }
        released.extend(self.give_up_overdue(now_us, shared));
        released
    }

    /// Decides requests without the ledger that have waited for the policy's timeout. If their call
    /// is answered later, the charges are given back.
    fn give_up_overdue(&mut self, now_us: u64, shared: &impl SharedData) -> Vec<Released> {
        let until_us = now_us.saturating_sub(self.policy.timeout_ms * 1_000);
        let gathered = self.outbox.take_overdue(until_us);
        let mut released: Vec<Released> =
            gathered.iter().filter_map(|one| self.give_up(now_us, one, shared)).collect();
        let calls = std::mem::take(&mut self.deciding);
        let late = calls.overdue(until_us);
        released.extend(late.filter_map(|one| self.give_up(now_us, one, shared)));
        self.deciding = calls;
        released
    }
}
