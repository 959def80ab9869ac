//! Some time has passed: what has waited long enough is given up.

use super::shared::SharedData;
use super::{Gate, Released, ms};

impl Gate {
    /// Decides requests that have waited long enough without the ledger, gives up calls whose reply
    /// never came, ends leases, and has failed settles sent again. Call it every
    /// [`TICK_MS`](super::TICK_MS).
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

    /// Decides without the ledger what has waited for as long as the policy allows. If its call is
    /// answered after all, what was charged is given back.
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
