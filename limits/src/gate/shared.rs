//! Counters shared by the workers of one gateway process while the ledger is unavailable.
//!
//! Counters live in the process's shared data, in a fixed number of pages. A payer's identity
//! determines the page, so that all its counters change together, and a counter is in one page
//! wherever its payer comes from. A [`Page`] holds a bounded number of counters, and says which of
//! them gives way when it is full.
//!
//! Called by `degraded`.

use crate::ledger::{Charge, Claim, Counted, NoPlace, Page};
use crate::wire::ChargeOutcome;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Named values shared by all workers of a gateway process, updated by compare-and-swap.
pub trait SharedData {
    /// Returns the value called `name` and its version; `None` if it does not exist.
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)>;
    /// Writes the value called `name`, unless `version` is given and no longer current. Returns
    /// true if the value was written.
    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool;
}

/// The number of pages, with 32 counters each: 131,072 in all. Under the shipped policy a counter
/// takes 100 to 140 bytes, so a full table takes 18 MB. The maximum, with the longest names and
/// times, is 2.1 KB per counter, which makes 280 MB.
const PAGES: u32 = 4_096;
/// The most attempts at a change while other workers keep winning the race.
const MAX_TRIES: usize = 100;
/// The prefix of the pages' names. Includes the version of the page format.
const PREFIX: &str = "tollgate.local.3.";

/// Creates the missing pages. Call it when a process starts, before there are several workers, so
/// that no two workers create the same page.
pub fn prepare(shared: &impl SharedData) {
    if shared.read(&name(PAGES - 1)).is_none() {
        let empty = Page::default().to_bytes();
        for page in 0..PAGES {
            shared.write(&name(page), &empty, None);
        }
    }
}

/// Decides `claims`, all or nothing.
///
/// Counters of different payers can be in different pages. If none of the pages denies, they are
/// charged one after the other; if a later one cannot be, the charges in the earlier ones are given
/// back.
///
/// # Errors
/// [`NoPlace`] if a claim that is not optional cannot be counted: its page is full, or too many
/// workers write to it.
pub(super) fn decide(
    now_ms: u64,
    shared: &impl SharedData,
    claims: &[Claim],
) -> Result<Counted, NoPlace> {
    let mut pages: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, claim) in claims.iter().enumerate() {
        pages.entry(page_of(&claim.charge)).or_default().push(at);
    }
    let mut counted = Counted { admitted: true, outcomes: vec![None; claims.len()], evicted: 0 };
    // A request that is denied should not cost another counter its place.
    if pages.len() > 1 {
        counted.outcomes = peek_all(now_ms, shared, claims);
        let mut looked = claims.iter().zip(&counted.outcomes);
        let denies = |claim: &Claim, admitted: bool| claim.charge.enforce && !admitted;
        counted.admitted =
            !looked.any(|(claim, outcome)| outcome.is_some_and(|one| denies(claim, one.admitted)));
        if !counted.admitted {
            return Ok(counted);
        }
    }
    let mut done: Vec<(u32, Charge)> = Vec::new();
    for (page, own) in pages {
        let of_page: Vec<&Claim> = own.iter().filter_map(|at| claims.get(*at)).collect();
        let decided = decide_page(now_ms, shared, page, &of_page);
        if !decided.as_ref().is_ok_and(|decided| decided.admitted) {
            done.iter().for_each(|(page, charge)| give_back(now_ms, shared, *page, charge));
        }
        let in_request =
            |NoPlace { claim }| NoPlace { claim: own.get(claim).copied().unwrap_or(0) };
        let decided = decided.map_err(in_request)?;
        if !decided.admitted {
            counted.admitted = false;
            counted.outcomes = peek_all(now_ms, shared, claims);
        }
        let is_charged = |outcome: &ChargeOutcome| decided.admitted && outcome.admitted;
        for ((at, claim), outcome) in own.iter().zip(of_page).zip(decided.outcomes) {
            if outcome.as_ref().is_some_and(is_charged) {
                done.push((page, claim.charge.clone()));
            }
            if let Some(slot) = counted.outcomes.get_mut(*at) {
                *slot = outcome;
            }
        }
        counted.evicted += decided.evicted;
        if !decided.admitted {
            break;
        }
    }
    Ok(counted)
}

fn decide_page(
    now_ms: u64,
    shared: &impl SharedData,
    page: u32,
    claims: &[&Claim],
) -> Result<Counted, NoPlace> {
    let decided = change(shared, page, |page| {
        let decided = page.decide(now_ms, claims)?;
        Ok((decided.admitted, decided))
    });
    decided.unwrap_or_else(|Overrun| match claims.iter().position(|claim| !claim.is_optional) {
        Some(claim) => Err(NoPlace { claim }),
        None => Ok(Counted { admitted: true, outcomes: vec![None; claims.len()], evicted: 0 }),
    })
}

/// Returns the outcome that each claim would have by itself.
fn peek_all(now_ms: u64, shared: &impl SharedData, claims: &[Claim]) -> Vec<Option<ChargeOutcome>> {
    let peek = |Claim { charge, .. }: &Claim| {
        let (bytes, _) = read(shared, page_of(charge));
        page(&bytes).peek(now_ms, charge).ok()
    };
    claims.iter().map(peek).collect()
}

/// Gives back a charge. If that fails, it stays charged, which errs on the safe side.
fn give_back(now_ms: u64, shared: &impl SharedData, page: u32, charge: &Charge) {
    let _stays_charged = change(shared, page, |page| {
        page.undo(now_ms, charge);
        Ok::<_, NoPlace>((true, ()))
    });
}

/// Other workers won the race for a page every time.
struct Overrun;

/// Applies `change` to a page, and writes the page if `change` returns true. Retries if another
/// worker wrote it first.
fn change<T, E>(
    shared: &impl SharedData,
    page: u32,
    mut change: impl FnMut(&mut Page<'_>) -> Result<(bool, T), E>,
) -> Result<Result<T, E>, Overrun> {
    for _ in 0..MAX_TRIES {
        let (bytes, version) = read(shared, page);
        let mut changed = self::page(&bytes);
        match change(&mut changed) {
            Ok((true, result)) => {
                if shared.write(&name(page), &changed.to_bytes(), version) {
                    return Ok(Ok(result));
                }
            }
            Ok((false, result)) => return Ok(Ok(result)),
            Err(error) => return Ok(Err(error)),
        }
    }
    Err(Overrun)
}

fn read(shared: &impl SharedData, page: u32) -> (Vec<u8>, Option<u32>) {
    let found = shared.read(&name(page));
    found.map_or_else(Default::default, |(bytes, version)| (bytes, Some(version)))
}

/// Returns the page in `bytes`. A missing or damaged one is empty.
fn page(bytes: &[u8]) -> Page<'_> {
    Page::from_bytes(bytes).unwrap_or_default()
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
mod tests;
