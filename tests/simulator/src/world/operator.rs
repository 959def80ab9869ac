//! An operator, who tops up balances. The top-up reaches the ledger directly, and sometimes twice.

use super::state::{World, WorldEvent};
use crate::envoy::START_MS;
use crate::log::Line;
use limits::counter::CounterName;
use limits::quota::Quota;

/// The largest top-up.
const MAX_AMOUNT: u64 = 30;

impl World {
    pub(super) fn begin_operator(&mut self) {
        for at_us in self.scenario.top_ups_us.clone() {
            self.push(at_us, WorldEvent::TopsUp);
        }
    }

    /// Tops up one of the balances that requests pay, if there are any.
    pub(super) fn tops_up(&mut self) {
        let due = self.record.requests.iter().flat_map(|request| &request.due);
        let balances = due.filter(|due| matches!(due.quota, Quota::Balance(_)));
        let balances: Vec<CounterName> = balances.map(|due| due.counter.clone()).collect();
        let Some(last) = u64::try_from(balances.len()).ok().and_then(|len| len.checked_sub(1))
        else {
            return;
        };
        let at = usize::try_from(self.dice.in_range(0..=last)).unwrap_or_default();
        let amount = self.dice.in_range(1..=MAX_AMOUNT);
        let is_repeated = self.dice.chance(300);
        let Some(counter) = balances.get(at) else { return };
        let now_ms = START_MS + self.now_us / 1_000;
        let (now_ms, act) = match self.shim.top_up(now_ms, counter, amount, is_repeated) {
            Ok(added) => added,
            Err(error) => return self.record.misbehavior.push(error),
        };
        self.trace.note(self.now_us, format_args!("the operator adds {amount} to {counter}"));
        *self.record.topped_up.entry(counter.clone()).or_default() += amount;
        self.record.work.top_ups += 1;
        self.record.ledger.push(Line { at_us: self.now_us, now_ms, envoy: 0, vm: 0, act });
    }
}
