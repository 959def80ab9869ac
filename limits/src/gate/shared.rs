//! Counters shared by the workers of one gateway process while the ledger is unavailable.
//!
//! Counters live in the process's shared data, in a fixed number of pages. A payer's identity
//! determines the page, so that all its counters change together. A page holds a bounded number of
//! counters, and never drops one that still counts. When it is full, requests with new keys are
//! refused rather than admitted uncounted.
//!
//! Called by `degraded`.

use crate::ledger::{Charge, Decided, Ledger, Request, SettleCharge};
use crate::wire::{ChargeOutcome, SettleAmount};
use std::fmt::Write as _;

/// Named values shared by all workers of a gateway process, updated by compare-and-swap.
pub trait SharedData {
    /// Returns the value called `name` and its version; `None` if it does not exist.
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)>;
    /// Writes the value called `name`, unless `version` is given and no longer current. Returns
    /// true if the value was written.
    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool;
}

/// The number of pages.
const PAGES: u32 = 4_096;
/// The most counters per page: 131,072 in all. Under the shipped policy a counter takes 150 to 190
/// bytes, so a full table takes 25 MB. The maximum, with the longest names and times, is 2.3 KB per
/// counter, which makes 300 MB.
const PAGE_COUNTERS: usize = 32;
/// The most attempts at a change while other workers keep winning the race.
const MAX_TRIES: usize = 100;
/// The prefix of the pages' names. Includes the version of the page format.
const PREFIX: &str = "tollgate.local.2.";

/// A request that could not be counted: a page is full, or too many workers write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uncounted;

/// Creates the missing pages. Call it when a process starts, before there are several workers, so
/// that no two workers create the same page.
pub fn prepare(shared: &impl SharedData) {
    if shared.read(&name(PAGES - 1)).is_none() {
        let empty = Ledger::new(PAGE_COUNTERS).to_bytes();
        for page in 0..PAGES {
            shared.write(&name(page), &empty, None);
        }
    }
}

/// Decides `charges`, all or nothing. Returns the outcomes in the same order.
///
/// Counters of different payers can be in different pages. Pages are decided one after the other;
/// if a later page denies, the charges in the earlier ones are given back.
pub(super) fn decide(
    now_ms: u64,
    shared: &impl SharedData,
    charges: &[Charge],
) -> Result<Vec<ChargeOutcome>, Uncounted> {
    let mut outcomes = vec![None; charges.len()];
    let mut pages: Vec<u32> = charges.iter().map(page_of).collect();
    pages.sort_unstable();
    pages.dedup();
    let mut done: Vec<(u32, Vec<Charge>)> = Vec::new();
    for page in pages {
        let own = charges.iter().enumerate().filter(|(_, charge)| page_of(charge) == page);
        let (places, own): (Vec<usize>, Vec<Charge>) =
            own.map(|(place, charge)| (place, charge.clone())).unzip();
        let decided = decide_page(now_ms, shared, page, &own);
        if !decided.as_ref().is_ok_and(|decided| decided.admitted) {
            done.iter().for_each(|(page, charges)| give_back(now_ms, shared, *page, charges));
        }
        let decided = decided?;
        for (place, outcome) in places.iter().zip(&decided.charges) {
            if let Some(slot) = outcomes.get_mut(*place) {
                *slot = Some(*outcome);
            }
        }
        if !decided.admitted {
            break;
        }
        let taken = own.into_iter().zip(&decided.charges).filter(|(_, outcome)| outcome.admitted);
        done.push((page, taken.map(|(charge, _)| charge).collect()));
    }
    // Pages after the one that denied are read, not charged.
    let looked = charges.iter().zip(outcomes).map(|(charge, outcome)| match outcome {
        Some(outcome) => Ok(outcome),
        None => peek(now_ms, shared, charge),
    });
    looked.collect()
}

fn decide_page(
    now_ms: u64,
    shared: &impl SharedData,
    page: u32,
    charges: &[Charge],
) -> Result<Decided, Uncounted> {
    let request = Request::new(charges.to_vec()).map_err(|_| Uncounted)?;
    change(shared, page, |ledger| {
        let decided = ledger.decide(now_ms, &request).map_err(|_| Uncounted)?;
        Ok((decided.admitted, decided))
    })
}

fn peek(
    now_ms: u64,
    shared: &impl SharedData,
    charge: &Charge,
) -> Result<ChargeOutcome, Uncounted> {
    let ledger = load(shared, page_of(charge)).0;
    ledger.peek(now_ms, charge).map_err(|_| Uncounted)
}

/// Gives back `charges`. Anything that cannot be given back stays charged, which errs on the safe
/// side.
fn give_back(now_ms: u64, shared: &impl SharedData, page: u32, charges: &[Charge]) {
    for charge in charges {
        let back = SettleCharge {
            counter: charge.counter.clone(),
            terms: charge.terms,
            amount: SettleAmount::GiveBack(crate::quota::Limit::clamped(charge.cost.get())),
            lease_ms: None,
        };
        let _stays_charged = change(shared, page, |ledger| {
            ledger.undo(now_ms, &back).map_err(|_| Uncounted)?;
            Ok((true, ()))
        });
    }
}

/// Applies `change` to a page, and writes the page if `change` returns true. Retries if another
/// worker wrote it first.
fn change<T>(
    shared: &impl SharedData,
    page: u32,
    mut change: impl FnMut(&mut Ledger) -> Result<(bool, T), Uncounted>,
) -> Result<T, Uncounted> {
    for _ in 0..MAX_TRIES {
        let (mut ledger, version) = load(shared, page);
        let (has_changed, result) = change(&mut ledger)?;
        if !has_changed || shared.write(&name(page), &ledger.to_bytes(), version) {
            return Ok(result);
        }
    }
    Err(Uncounted)
}

fn load(shared: &impl SharedData, page: u32) -> (Ledger, Option<u32>) {
    let Some((bytes, version)) = shared.read(&name(page)) else {
        return (Ledger::new(PAGE_COUNTERS), None);
    };
    let ledger = Ledger::from_bytes(&bytes).unwrap_or_else(|| Ledger::new(PAGE_COUNTERS));
    (ledger, Some(version))
}

/// Returns the page of a counter's payer, derived from the first digits of its keyed hash.
fn page_of(charge: &Charge) -> u32 {
    let digits = charge.counter.slot_tag().get(..8).unwrap_or_default();
    u32::from_str_radix(digits, 16).unwrap_or_default() % PAGES
}

fn name(page: u32) -> String {
    let mut name = String::from(PREFIX);
    let _infallible = write!(name, "{page}");
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::{Process, charge_of};
    use crate::ledger::{Method, Terms};
    use crate::quota::{Limit, SlidingWindow, WindowMs};

    const NOW_MS: u64 = 1_790_000_000_000;

    fn charge(name: &str, limit: u64) -> Charge {
        let planned = charge_of(name, limit);
        let limit = Limit::clamped(limit);
        Charge {
            counter: planned.counter,
            cost: planned.cost,
            enforce: true,
            terms: Terms::limited(Method::SlidingWindow(SlidingWindow {
                limit,
                window_ms: WindowMs::clamped(60_000),
            })),
            lease: None,
            block: None,
        }
    }

    fn admits(process: &Process, charges: &[Charge]) -> Vec<bool> {
        let outcomes = decide(NOW_MS, process, charges).unwrap();
        outcomes.iter().map(|outcome| outcome.admitted).collect()
    }

    /// Returns the remaining capacity of `charge`'s counter.
    fn left(process: &Process, charge: &Charge) -> u64 {
        peek(NOW_MS, process, charge).unwrap().remaining
    }

    fn two_pages() -> (Charge, Charge) {
        let first = charge("a", 2);
        let other = (0..).map(|at| charge(&format!("k{at}"), 1));
        let second = other.into_iter().find(|other| page_of(other) != page_of(&first)).unwrap();
        (first, second)
    }

    #[test]
    fn workers_share_their_counters() {
        let process = Process::default();
        prepare(&process);
        let first = charge("a", 2);
        let of_each = |_| admits(&process, std::slice::from_ref(&first));
        assert_eq!((0..3).flat_map(of_each).collect::<Vec<_>>(), [true, true, false]);
        prepare(&process);
        assert_eq!(left(&process, &first), 0, "preparing again keeps the counters");
    }

    #[test]
    fn a_denial_in_one_page_undoes_charges_in_the_others() {
        let process = Process::default();
        prepare(&process);
        let (first, second) = two_pages();
        let both = [first.clone(), second.clone()];
        assert_eq!(admits(&process, &both), [true, true]);
        let again = admits(&process, &both);
        assert_eq!((again.first(), again.get(1)), (Some(&true), Some(&false)));
        assert_eq!((left(&process, &first), left(&process, &second)), (1, 0));
    }

    #[test]
    fn a_change_that_loses_a_race_is_retried() {
        let process = Process::default();
        prepare(&process);
        let first = charge("a", 5);
        process.lose_races(3);
        assert_eq!(admits(&process, std::slice::from_ref(&first)), [true]);
        assert_eq!(left(&process, &first), 4);
        process.lose_races(MAX_TRIES);
        assert_eq!(decide(NOW_MS, &process, std::slice::from_ref(&first)), Err(Uncounted));
    }

    #[test]
    fn a_full_page_refuses_new_keys_and_keeps_its_counters() {
        let process = Process::default();
        prepare(&process);
        let page = page_of(&charge("a", 1));
        let keys = (0..).map(|at| charge(&format!("k{at}"), 1));
        let own: Vec<Charge> =
            keys.filter(|key| page_of(key) == page).take(PAGE_COUNTERS + 1).collect();
        let (over, fitting) = own.split_last().unwrap();
        assert!(fitting.iter().all(|key| admits(&process, std::slice::from_ref(key)) == [true]));
        assert_eq!(decide(NOW_MS, &process, std::slice::from_ref(over)), Err(Uncounted));
        assert!(fitting.iter().all(|key| admits(&process, std::slice::from_ref(key)) == [false]));
        let later = decide(NOW_MS + 60_000, &process, std::slice::from_ref(over)).unwrap();
        assert!(later.iter().all(|outcome| outcome.admitted));
    }

    /// Measures a counter's size when its limit is used up, and checks the number of counters.
    #[test]
    fn the_table_size_is_bounded() {
        let bytes = |limit: u64| {
            let process = Process::default();
            prepare(&process);
            let counter = charge("a", limit);
            let page = name(page_of(&counter));
            let empty = process.read(&page).unwrap().0.len();
            let own = std::slice::from_ref(&counter);
            let at = |n| NOW_MS + n * 59_000 / limit;
            let admitted = |n| decide(at(n), &process, own).unwrap().iter().all(|o| o.admitted);
            assert!((0..limit).all(admitted));
            assert!(!admitted(limit));
            process.read(&page).unwrap().0.len() - empty
        };
        let counters = PAGES as usize * PAGE_COUNTERS;
        assert_eq!(counters, 131_072);
        insta::assert_snapshot!([5, 10, 128, 5_000].map(bytes).map(|b| b.to_string()).join(" "), @"152 187 1015 1000");
    }

    #[test]
    fn damaged_pages_count_as_empty() {
        let process = Process::default();
        let first = charge("a", 1);
        process.write(&name(page_of(&first)), b"?", None);
        assert_eq!(admits(&process, std::slice::from_ref(&first)), [true]);
        assert_eq!(admits(&process, std::slice::from_ref(&first)), [false]);
    }
}
