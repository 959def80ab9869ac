//! The sliding window: an exact and bounded log of charges.
//!
//! An entry of time `t` counts while `t > now − window`. A charge fits if it and all counting
//! entries add up to at most the limit. So in every interval of the window's length, the admitted
//! cost is at most the limit.
//!
//! **Bounded.** Up to a limit of 128, each charge has its own entry (charges made at the same time
//! share one), so there are at most 128. Above that, charges in the same slot of `⌈window / 128⌉`
//! ms share one entry with the latest of their times. The entry leaves less than a slot later than
//! its first charge should, and never earlier. Entries date from a window ago to the end of the
//! longest lease, `window / 32` ahead. They touch up to 133 slots, so a log has up to 133 entries.
//! If there would be more, because a limit was raised or late charges were added, two neighbors in
//! one slot are merged at the later one's time. Neighbors in different slots are merged only if the
//! window was shortened.
//!
//! **Giving back.** A give-back names the date of the charge that it cancels. It takes from the
//! first entry not dated earlier and, if that holds too little, from the following entries in the
//! slot of that date. (A counter can be used with limits on both sides of 128. Then a charge that
//! shares an entry at the end of its slot can have others in between.)
//!
//! A give-back never admits too much. Assign each unit charged to the entry that holds it. Every
//! unit is in an entry dated no earlier than itself, because sharing only moves units to later
//! entries. So the unit given back is in the entry found or in a later one. If it is in a later
//! one, a unit of the entry found takes its place there. That unit's date does not get earlier, so
//! every unit is still in an entry dated no earlier than itself. Anything not found there stays
//! charged.
//!
//! **Sorted.** A lease is dated at its end, so an entry can be ahead of the clock. The log
//! remembers the latest time at which it was written, and never uses an earlier one. So when the
//! clock steps back, no charge disappears that should still count.
//!
//! # Source
//! The log is the textbook "sliding window log". Sharing entries is the idea of the exponential
//! histogram (Datar, Gionis, Indyk, Motwani, 2002), with buckets of equal length.

use super::reading::Reading;
use crate::bounded::MAX_SAFE;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Up to this limit, every charge has its own entry. Above it, a window has this many slots.
pub(super) const SLOTS: u64 = 128;
/// The most entries in a log.
pub(super) const MAX_ENTRIES: usize = 133;
/// The window's length divided by that of the longest lease, which spans four slots.
const LEASES_IN_WINDOW: u64 = 32;

/// A counter's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Log {
    /// The latest time at which this log was written.
    seen_ms: u64,
    /// The total cost of all entries, at most 2^53.
    total: u64,
    /// The entries, oldest first.
    entries: VecDeque<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    at_ms: u64,
    cost: u64,
}

/// A limit and its window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) limit: u64,
    pub(super) window_ms: u64,
}

impl Window {
    /// Returns the length of the longest lease, in ms.
    pub(super) fn longest_lease_ms(&self) -> u64 {
        (self.window_ms / LEASES_IN_WINDOW).max(1)
    }

    /// Returns true if charges of these two times share an entry.
    fn shares(&self, a_ms: u64, b_ms: u64) -> bool {
        if self.limit <= SLOTS { a_ms == b_ms } else { self.slot(a_ms) == self.slot(b_ms) }
    }

    fn slot(&self, at_ms: u64) -> u64 {
        at_ms / self.window_ms.div_ceil(SLOTS)
    }
}

impl Log {
    /// Reads the log at `now_ms`.
    pub(super) fn read(&self, now_ms: u64, window: &Window) -> Reading {
        let at_ms = self.at_ms(now_ms);
        let (gone, gone_cost) = self.gone(at_ms, window);
        let counted = self.total - gone_cost;
        Reading {
            left: window.limit.saturating_sub(counted),
            reset_ms: self.leaves(gone, now_ms, window),
        }
    }

    /// Returns the time from `now_ms` until `cost` fits, or 0 if it already does. `cost`: at most
    /// the limit.
    pub(super) fn wait_ms(&self, now_ms: u64, cost: u64, window: &Window) -> u64 {
        let (gone, gone_cost) = self.gone(self.at_ms(now_ms), window);
        let mut excess = (self.total - gone_cost).saturating_sub(window.limit - cost);
        let mut leaver = gone;
        while excess > 0 {
            let Some(entry) = self.entries.get(leaver) else { break };
            excess = excess.saturating_sub(entry.cost);
            leaver += 1;
        }
        if leaver == gone { 0 } else { self.leaves(leaver - 1, now_ms, window) }
    }

    /// Returns the number of entries dated after the log's time, which are the active leases.
    pub(super) fn ahead(&self, now_ms: u64) -> u64 {
        let at_ms = self.at_ms(now_ms);
        self.entries.iter().rev().take_while(|entry| entry.at_ms > at_ms).map(|_| 1).sum()
    }

    /// Charges `cost`, dated `ahead_ms` after the log's time.
    pub(super) fn charge(&mut self, now_ms: u64, cost: u64, ahead_ms: u64, window: &Window) {
        self.advance(now_ms, window);
        let cost = cost.min(MAX_SAFE - self.total);
        if cost > 0 {
            self.total += cost;
            self.insert(Entry { at_ms: self.seen_ms + ahead_ms, cost }, window);
        }
    }

    /// Charges `cost`, dated `ago_ms` before the log's time, and less than a window.
    pub(super) fn charge_late(&mut self, now_ms: u64, cost: u64, ago_ms: u64, window: &Window) {
        self.advance(now_ms, window);
        self.total += cost;
        self.insert(Entry { at_ms: self.seen_ms.saturating_sub(ago_ms), cost }, window);
    }

    /// Cancels up to `amount` of the charge dated `dated_ms`. Takes it from the first entry that is
    /// not dated earlier, and from those that follow in the same slot.
    pub(super) fn give_back(&mut self, now_ms: u64, amount: u64, dated_ms: u64, window: &Window) {
        self.advance(now_ms, window);
        let first = self.entries.partition_point(|entry| entry.at_ms < dated_ms);
        let is_near = |place: usize, entry: &Entry| {
            place == first || window.slot(entry.at_ms) == window.slot(dated_ms)
        };
        let later = self.entries.iter_mut().enumerate().skip(first);
        let mut owed = amount;
        for (_, entry) in later.take_while(|(place, entry)| is_near(*place, entry)) {
            let taken = owed.min(entry.cost);
            owed -= taken;
            entry.cost -= taken;
        }
        self.total -= amount - owed;
        self.entries.retain(|entry| entry.cost > 0);
    }

    /// Returns the time from which the log equals a missing one.
    pub(super) fn expires_ms(&self, window: &Window) -> u64 {
        let newest_ms = self.entries.back().map_or(0, |entry| entry.at_ms);
        newest_ms.max(self.seen_ms) + window.window_ms
    }

    /// Returns the log's time: `now_ms`, or the time it was last written if that is later.
    pub(super) fn at_ms(&self, now_ms: u64) -> u64 {
        now_ms.max(self.seen_ms)
    }

    /// Returns the number and the total cost of the entries that no longer count.
    fn gone(&self, at_ms: u64, window: &Window) -> (usize, u64) {
        self.entries
            .iter()
            .take_while(|entry| entry.at_ms + window.window_ms <= at_ms)
            .fold((0, 0), |(gone, cost), entry| (gone + 1, cost + entry.cost))
    }

    /// Returns the time from `now_ms` until the entry at `index` leaves; 0 if it does not exist.
    fn leaves(&self, index: usize, now_ms: u64, window: &Window) -> u64 {
        self.entries.get(index).map_or(0, |entry| entry.at_ms + window.window_ms - now_ms)
    }

    /// Moves the log to its current time, and drops the entries that no longer count.
    fn advance(&mut self, now_ms: u64, window: &Window) {
        self.seen_ms = self.at_ms(now_ms);
        let (gone, gone_cost) = self.gone(self.seen_ms, window);
        self.entries.drain(..gone);
        self.total -= gone_cost;
    }

    /// Inserts `new` by its time, or adds it to an entry that it shares.
    fn insert(&mut self, new: Entry, window: &Window) {
        let later = self.entries.iter().rev().take_while(|entry| entry.at_ms > new.at_ms).count();
        let place = self.entries.len() - later;
        let before = place.checked_sub(1).and_then(|index| self.entries.get_mut(index));
        if let Some(entry) = before.filter(|entry| window.shares(entry.at_ms, new.at_ms)) {
            entry.at_ms = new.at_ms;
            entry.cost += new.cost;
            return;
        }
        let after = self.entries.get_mut(place);
        if let Some(entry) = after.filter(|entry| window.shares(entry.at_ms, new.at_ms)) {
            entry.cost += new.cost;
            return;
        }
        self.entries.insert(place, new);
        if self.entries.len() > MAX_ENTRIES {
            self.merge_a_pair(window);
        }
    }

    /// Merges two neighbors at the later one's time: the oldest two in one slot, else the oldest
    /// two.
    fn merge_a_pair(&mut self, window: &Window) {
        let of_one_slot = |(a, b): (&Entry, &Entry)| window.slot(a.at_ms) == window.slot(b.at_ms);
        let pairs = self.entries.iter().zip(self.entries.iter().skip(1));
        let first = pairs.map(of_one_slot).position(|same| same).unwrap_or(0);
        let earlier = self.entries.remove(first);
        if let Some((earlier, later)) = earlier.zip(self.entries.get_mut(first)) {
            later.cost += earlier.cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { limit: 1_000, window_ms: 1_280 };

    /// Returns the total cost of the entries dated after `after_ms`.
    fn newer(log: &Log, after_ms: u64) -> u64 {
        log.entries.iter().filter(|entry| entry.at_ms > after_ms).map(|entry| entry.cost).sum()
    }

    #[test]
    fn a_full_log_merges_into_later_entries_and_loses_nothing() {
        let mut log = Log::default();
        let mut charged = Vec::new();
        let mut charge = |log: &mut Log, now_ms: u64, ahead_ms: u64| {
            log.charge(now_ms, 1, ahead_ms, &WINDOW);
            charged.push(now_ms + ahead_ms);
        };
        // Fills a window of 128 slots of 10 ms, then dates leases up to 50 slots ahead.
        (0..128).for_each(|slot| charge(&mut log, 10_000 + slot * 10, 0));
        (0..50).for_each(|slot| charge(&mut log, 11_270, slot * 10));
        assert_eq!(log.entries.len(), MAX_ENTRIES);
        assert_eq!(log.total, 178);
        assert!(log.entries.iter().is_sorted_by_key(|entry| entry.at_ms));
        for after_ms in (9_990..12_000).step_by(5) {
            let exact = charged.iter().filter(|at_ms| **at_ms > after_ms).count() as u64;
            assert!(newer(&log, after_ms) >= exact, "after {after_ms}");
        }
    }

    #[test]
    fn a_charge_in_a_shared_entry_can_be_given_back() {
        let few = Window { limit: 5, ..WINDOW };
        let mut log = Log::default();
        // Two charges of one slot share its end. A third one, under the small limit, does not.
        log.charge(10_000, 3, 0, &WINDOW);
        log.charge(10_000, 4, 9, &WINDOW);
        log.charge(10_005, 1, 0, &few);
        log.give_back(10_006, 3, 10_000, &few);
        let entries: Vec<_> = log.entries.iter().map(|entry| (entry.at_ms, entry.cost)).collect();
        assert_eq!((entries, log.total), (vec![(10_009, 5)], 5));
        // Other slots are not touched.
        log.charge(10_010, 2, 0, &WINDOW);
        log.give_back(10_010, 9, 10_000, &few);
        assert_eq!((newer(&log, 10_009), log.total), (2, 2));
    }

    #[test]
    fn a_raised_limit_first_merges_entries_of_one_slot() {
        let mut log = Log::default();
        let exact = Window { limit: 100, ..WINDOW };
        // A hundred entries, ten per slot; then one in each of 34 more slots.
        (0..100).for_each(|at_ms| log.charge(10_000 + at_ms, 1, 0, &exact));
        (0..34).for_each(|slot| log.charge(10_100 + slot * 10, 1, 0, &WINDOW));
        assert_eq!((log.entries.len(), log.total), (MAX_ENTRIES, 134));
        let merged = log.entries.front().map(|entry| (entry.at_ms, entry.cost));
        assert_eq!(merged, Some((10_001, 2)));
    }
}
