//! Remembers exhausted counters: until their capacity returns, requests that charge them are
//! refused without asking the ledger. Called by `arrive` and `reply`.

use super::call::CallTimes;
use crate::counter::CounterName;
use crate::ledger::NEVER;
use crate::plan::PlannedCharge;
use crate::wire::{Charge, ChargeOutcome};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The longest that an exhausted counter is remembered, in ms. A reset, refund or upgrade takes
/// effect after at most this long.
pub(super) const REMEMBERED_MS: u64 = 1_000;
/// The most counters remembered. Requests for any others go to the ledger.
const MAX_ENTRIES: usize = 4_096;

/// The counters that recently denied.
#[derive(Debug, Default)]
pub(super) struct DeniedBefore {
    entries: FxHashMap<CounterName, Arc<Denial>>,
}

/// A decision that denied.
#[derive(Debug)]
struct Denial {
    seen: Vec<Seen>,
    times: CallTimes,
}

/// One charge of a denied decision, and its outcome.
#[derive(Debug)]
struct Seen {
    charge: Charge,
    outcome: ChargeOutcome,
}

impl DeniedBefore {
    /// Remembers that a request with these charges was denied. Returns false if there was no room.
    pub(super) fn note<'a>(
        &mut self,
        charges: impl Iterator<Item = (&'a Charge, &'a ChargeOutcome)>,
        times: CallTimes,
    ) -> bool {
        let seen =
            charges.map(|(charge, outcome)| Seen { charge: charge.clone(), outcome: *outcome });
        let denial = Arc::new(Denial { seen: seen.collect(), times });
        let mut has_room = true;
        for Seen { charge, .. } in denial.seen.iter().filter(|seen| seen.denies()) {
            if self.make_room(times.answered_ms, &charge.counter) {
                self.entries.insert(charge.counter.clone(), denial.clone());
            } else {
                has_room = false;
            }
        }
        has_room
    }

    /// Returns the outcome of each of `charges` if one of them is known to be denied. An outcome is
    /// `None` if that charge was not part of the denied request.
    pub(super) fn find(
        &self,
        now_ms: u64,
        charges: &[PlannedCharge],
    ) -> Option<Vec<Option<ChargeOutcome>>> {
        if self.entries.is_empty() {
            return None;
        }
        let denial = charges.iter().find_map(|planned| {
            let denial = self.entries.get(&planned.charge.counter)?;
            let known = denial.outcome(now_ms, &planned.charge)?;
            (planned.charge.enforce && !known.admitted).then_some(denial)
        })?;
        Some(charges.iter().map(|planned| denial.outcome(now_ms, &planned.charge)).collect())
    }

    /// Forgets `counter`, because a settle has just changed what is left in it.
    pub(super) fn forget(&mut self, counter: &CounterName) {
        self.entries.remove(counter);
    }

    fn make_room(&mut self, now_ms: u64, counter: &CounterName) -> bool {
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(counter) {
            self.entries.retain(|_, denial| denial.is_fresh(now_ms));
        }
        self.entries.len() < MAX_ENTRIES || self.entries.contains_key(counter)
    }
}

impl Denial {
    /// Returns true if the denial may still be used. False if the clock has stepped back.
    fn is_fresh(&self, now_ms: u64) -> bool {
        (self.times.answered_ms..self.times.asked_ms + REMEMBERED_MS).contains(&now_ms)
    }

    /// Returns the known outcome of an identical charge at `now_ms`.
    fn outcome(&self, now_ms: u64, charge: &Charge) -> Option<ChargeOutcome> {
        let seen = self.seen.iter().find(|seen| seen.charge.counter == charge.counter)?;
        let outcome = &seen.outcome;
        let is_same = seen.charge.quota == charge.quota && seen.charge.cost == charge.cost;
        // The counter stays exhausted for `retry_after_ms` from some moment after the request was
        // sent.
        let lasts =
            outcome.admitted || now_ms < self.times.asked_ms.saturating_add(outcome.retry_after_ms);
        let passed_ms = now_ms.saturating_sub(self.times.answered_ms);
        let retry_after_ms = match outcome.retry_after_ms {
            NEVER => NEVER,
            wait_ms => wait_ms.saturating_sub(passed_ms),
        };
        (is_same && lasts && self.is_fresh(now_ms)).then(|| ChargeOutcome {
            reset_ms: outcome.reset_ms.saturating_sub(passed_ms),
            retry_after_ms,
            ..*outcome
        })
    }
}

impl Seen {
    /// Returns true if the counter is known to deny for some time.
    fn denies(&self) -> bool {
        self.charge.enforce && !self.outcome.admitted && self.outcome.retry_after_ms > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::{admitted_with, charge_of, denied_for};
    use crate::wire::Cost;

    const ASKED_MS: u64 = 10_000;
    const TIMES: CallTimes = CallTimes { asked_ms: ASKED_MS, answered_ms: ASKED_MS + 5 };

    fn planned(name: &str, limit: u64) -> PlannedCharge {
        PlannedCharge { bucket: 0, charge: charge_of(name, limit), logged: Vec::new() }
    }

    fn note(denied: &mut DeniedBefore, times: CallTimes, seen: &[(&str, ChargeOutcome)]) -> bool {
        let seen: Vec<_> =
            seen.iter().map(|(name, outcome)| (charge_of(name, 5), *outcome)).collect();
        denied.note(seen.iter().map(|(charge, outcome)| (charge, outcome)), times)
    }

    fn noted(retry_after_ms: u64) -> DeniedBefore {
        let mut denied = DeniedBefore::default();
        assert!(note(&mut denied, TIMES, &[("a", denied_for(retry_after_ms))]));
        denied
    }

    fn check(denied: &DeniedBefore, now_ms: u64, planned: PlannedCharge, expected: Option<u64>) {
        let found = denied.find(now_ms, &[planned]);
        let wait_ms = found.map(|found| found.first().unwrap().unwrap().retry_after_ms);
        assert_eq!(wait_ms, expected, "at {now_ms}");
    }

    #[test]
    fn the_wait_shrinks_as_time_passes() {
        let denied = noted(30_000);
        check(&denied, ASKED_MS + 5, planned("a", 5), Some(30_000));
        check(&denied, ASKED_MS + 999, planned("a", 5), Some(29_006));
        check(&denied, ASKED_MS + 1_000, planned("a", 5), None);
        check(&denied, ASKED_MS, planned("a", 5), None);
    }

    #[test]
    fn a_denial_ends_when_capacity_returns() {
        let denied = noted(300);
        check(&denied, ASKED_MS + 299, planned("a", 5), Some(6));
        check(&denied, ASKED_MS + 300, planned("a", 5), None);
    }

    #[test]
    fn only_identical_charges_are_denied() {
        let denied = noted(30_000);
        let now_ms = ASKED_MS + 10;
        check(&denied, now_ms, planned("b", 5), None);
        check(&denied, now_ms, planned("a", 6), None);
        let mut shadow = planned("a", 5);
        shadow.charge.enforce = false;
        check(&denied, now_ms, shadow, None);
    }

    #[test]
    fn a_denial_holds_for_the_same_cost_only() {
        let mut denied = DeniedBefore::default();
        let charge = |cost| Charge { cost: Cost::clamped(cost), ..charge_of("a", 5) };
        let asking = |cost| PlannedCharge { bucket: 0, charge: charge(cost), logged: Vec::new() };
        denied.note([(&charge(3), &denied_for(30_000))].into_iter(), TIMES);
        check(&denied, ASKED_MS + 10, asking(3), Some(29_995));
        check(&denied, ASKED_MS + 10, asking(2), None);
        check(&denied, ASKED_MS + 10, asking(4), None);
    }

    #[test]
    fn a_cost_above_the_limit_stays_so() {
        let denied = noted(NEVER);
        check(&denied, ASKED_MS + 999, planned("a", 5), Some(NEVER));
        check(&denied, ASKED_MS + 1_000, planned("a", 5), None);
    }

    #[test]
    fn outcomes_of_the_other_charges_are_remembered_too() {
        let mut denied = DeniedBefore::default();
        let fits = admitted_with(5, 3);
        note(&mut denied, TIMES, &[("a", denied_for(30_000)), ("b", fits), ("c", denied_for(200))]);
        let both = [planned("b", 5), planned("a", 5), planned("c", 5), planned("d", 5)];
        let left = |now_ms: u64| {
            let found = denied.find(now_ms, &both).unwrap();
            found.iter().map(|found| found.map(|one| one.remaining)).collect::<Vec<_>>()
        };
        assert_eq!(left(ASKED_MS + 199), [Some(3), Some(0), Some(0), None]);
        assert_eq!(left(ASKED_MS + 200), [Some(3), Some(0), None, None]);
        check(&denied, ASKED_MS + 10, planned("b", 5), None);
    }

    #[test]
    fn the_table_is_bounded_and_makes_room() {
        let mut denied = DeniedBefore::default();
        let mut deny = |at: usize, now_ms| {
            let times = CallTimes { asked_ms: now_ms, answered_ms: now_ms };
            note(&mut denied, times, &[(&format!("k{at}"), denied_for(30_000))])
        };
        assert!((0..MAX_ENTRIES).all(|at| deny(at, ASKED_MS)));
        assert!(!deny(MAX_ENTRIES, ASKED_MS));
        assert!(deny(0, ASKED_MS), "a remembered counter is updated");
        assert!(deny(MAX_ENTRIES, ASKED_MS + REMEMBERED_MS));
        assert_eq!(denied.entries.len(), 1);
    }
}
