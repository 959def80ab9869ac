//! Counts the refusals that a worker repeated from memory, for buckets with a block. They are
//! reported with the next charge of their counter, so they cost no call. Called by `arrive`.
//!
//! A call that fails loses its report. Refusals are never reported twice.

use crate::block::{AgeMs, Block, Refusals, Refused};
use crate::counter::CounterName;
use crate::ledger::NEVER;
use crate::plan::PlannedCharge;
use crate::wire::ChargeOutcome;
use rustc_hash::FxHashMap;

/// The most counters with unreported refusals. Refusals of any others do not count.
const MAX_COUNTERS: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Unreported {
    counters: FxHashMap<CounterName, Seen>,
}

#[derive(Debug)]
struct Seen {
    count: u64,
    last_ms: u64,
    within_ms: u64,
}

impl Unreported {
    /// Counts the charges that are refused from memory. Returns false if the ledger must be asked
    /// instead, because these refusals are enough for a block: otherwise the client would be given
    /// a wait that the block then makes too short.
    pub(super) fn note_all(
        &mut self,
        now_ms: u64,
        charges: &[PlannedCharge],
        outcomes: &[Option<ChargeOutcome>],
    ) -> bool {
        let refused = || {
            charges.iter().zip(outcomes).filter_map(|(planned, outcome)| {
                let block = planned.charge.block?;
                outcome.filter(is_counted).map(|_| (&planned.charge.counter, block))
            })
        };
        // One refusal is in the ledger: the one that is repeated here. Another is this one.
        if refused().any(|(counter, block)| self.count(counter) + 2 >= block.after.get()) {
            return false;
        }
        refused().for_each(|(counter, block)| self.note(now_ms, counter, &block));
        true
    }

    fn count(&self, counter: &CounterName) -> u64 {
        self.counters.get(counter).map_or(0, |seen| seen.count)
    }

    fn note(&mut self, now_ms: u64, counter: &CounterName, block: &Block) {
        if !self.has_room(now_ms, counter) {
            return;
        }
        let within_ms = block.within_ms.get();
        let new = || Seen { count: 0, last_ms: now_ms, within_ms };
        let seen = self.counters.entry(counter.clone()).or_insert_with(new);
        seen.count += 1;
        (seen.last_ms, seen.within_ms) = (now_ms, within_ms);
    }

    /// Adds the unreported refusals of `counter` to the block of its charge, and forgets them.
    pub(super) fn report(&mut self, now_ms: u64, counter: &CounterName, block: &mut Block) {
        block.refused = self.counters.remove(counter).map(|seen| Refused {
            count: Refusals::clamped(seen.count),
            ago_ms: AgeMs::clamped(now_ms.saturating_sub(seen.last_ms)),
        });
    }

    fn has_room(&mut self, now_ms: u64, counter: &CounterName) -> bool {
        if self.counters.len() >= MAX_COUNTERS && !self.counters.contains_key(counter) {
            self.counters.retain(|_, seen| now_ms.abs_diff(seen.last_ms) < seen.within_ms);
        }
        self.counters.len() < MAX_COUNTERS || self.counters.contains_key(counter)
    }
}

/// Returns true for a refusal by the limit, rather than by a block.
fn is_counted(outcome: &ChargeOutcome) -> bool {
    !outcome.admitted && !outcome.blocked && outcome.retry_after_ms < NEVER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::{charge_of, denied_for};
    use crate::quota::WindowMs;
    use crate::wire::Charge;

    const BLOCK: Block = Block {
        after: Refusals::clamped(20),
        within_ms: WindowMs::clamped(600_000),
        for_ms: WindowMs::clamped(3_600_000),
        refused: None,
    };

    /// Refuses a charge of the counter called `name` from memory. Returns false if the ledger must
    /// be asked.
    fn refuse(
        unreported: &mut Unreported,
        now_ms: u64,
        name: &str,
        outcome: ChargeOutcome,
    ) -> bool {
        let charge = Charge { block: Some(BLOCK), ..charge_of(name, 5) };
        unreported.note_all(
            now_ms,
            &[PlannedCharge { bucket: 0, charge, logged: Vec::new() }],
            &[Some(outcome)],
        )
    }

    /// Returns the count and age reported for the counter called `name`.
    fn reported(unreported: &mut Unreported, now_ms: u64, name: &str) -> Option<(u64, u64)> {
        let mut block = BLOCK;
        unreported.report(now_ms, &charge_of(name, 5).counter, &mut block);
        block.refused.map(|refused| (refused.count.get(), refused.ago_ms.get()))
    }

    #[test]
    fn refusals_are_reported_once_with_their_age() {
        let mut unreported = Unreported::default();
        assert!((0..3).all(|at| refuse(&mut unreported, 1_000 + at, "a", denied_for(9_000))));
        assert_eq!(reported(&mut unreported, 1_500, "b"), None);
        assert_eq!(reported(&mut unreported, 1_500, "a"), Some((3, 498)));
        assert_eq!(reported(&mut unreported, 1_500, "a"), None);
    }

    #[test]
    fn only_refusals_by_the_limit_of_a_bucket_with_a_block_count() {
        let mut unreported = Unreported::default();
        let plain = PlannedCharge { bucket: 0, charge: charge_of("a", 5), logged: Vec::new() };
        assert!(unreported.note_all(1_000, &[plain], &[Some(denied_for(9_000))]));
        for outcome in [
            ChargeOutcome { blocked: true, ..denied_for(9_000) },
            denied_for(NEVER),
            ChargeOutcome { admitted: true, ..denied_for(0) },
        ] {
            assert!((0..30).all(|_| refuse(&mut unreported, 1_000, "a", outcome)));
        }
        assert_eq!(reported(&mut unreported, 1_000, "a"), None);
    }

    #[test]
    fn the_refusal_that_starts_a_block_asks_the_ledger() {
        let mut unreported = Unreported::default();
        assert!((0..18).all(|_| refuse(&mut unreported, 1_000, "a", denied_for(9_000))));
        assert!(!refuse(&mut unreported, 1_000, "a", denied_for(9_000)));
        assert_eq!(reported(&mut unreported, 1_000, "a"), Some((18, 0)));
    }

    #[test]
    fn the_table_is_bounded_and_makes_room() {
        let mut unreported = Unreported::default();
        let mut refuse = |now_ms, name: &str| refuse(&mut unreported, now_ms, name, denied_for(9));
        assert!((0..=MAX_COUNTERS).all(|at| refuse(1_000, &format!("k{at}"))));
        assert!(refuse(2_000, "k0"));
        let last = format!("k{MAX_COUNTERS}");
        assert_eq!(reported(&mut unreported, 2_000, &last), None);
        assert!(self::refuse(&mut unreported, 601_000, "b", denied_for(9)));
        assert_eq!(unreported.counters.len(), 2, "refusals that no longer count make room");
    }
}
