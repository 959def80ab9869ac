//! The scripts' input: one binary record per charge, as described in `count.lua`.

use super::keys::Places;
use limits::block::Block;
use limits::ledger::{Charge, Method, SettleCharge, Standing, Terms};
use limits::wire::{LeaseAsk, SettleAmount};

/// A little-endian record under construction.
#[derive(Default)]
struct Record(Vec<u8>);

impl Record {
    /// Appends the lowest `width` bytes of `value`, which must fit.
    fn number(mut self, value: u64, width: usize) -> Self {
        self.0.extend(value.to_le_bytes().into_iter().take(width));
        self
    }

    /// Appends the start of every record: the flags, the counter's place in KEYS, the method and
    /// the terms.
    fn terms(self, flags: [bool; 5], place: usize, terms: &Terms, amount: u64) -> Self {
        // Lua counts from 1.
        let record = self.number(flag_bits(flags), 1).number(place as u64 + 1, 4);
        let (method, limit) = (&terms.method, terms.limit());
        match method {
            Method::SlidingWindow(window) => {
                record.method(b's', amount, limit, &[window.window_ms.get()])
            }
            Method::FixedWindow { periods, .. } => {
                record.method(b'f', amount, limit, &periods.bounds_ms())
            }
            // Always the burst, even if the key is unlimited: a bucket cannot hold more.
            Method::TokenBucket(tokens) => {
                record.method(b't', amount, tokens.burst(), &[tokens.per_ms(), tokens.rate(), 0])
            }
            Method::Balance(balance) => {
                record.method(b'b', amount, balance.start.get(), &[0, 0, 0])
            }
        }
    }

    fn method(self, tag: u8, amount: u64, limit: u64, rest: &[u64]) -> Self {
        let numbers = [amount, limit].into_iter().chain(rest.iter().copied());
        numbers.fold(self.number(tag.into(), 1), |record, number| record.number(number, 7))
    }

    /// Appends the rest of a record with flag `more`.
    fn more(self, until_ms: u64, wish: u64, lease_ms: u64) -> Self {
        self.number(until_ms, 6).number(wish, 5).number(lease_ms, 5)
    }

    /// Appends the rest of a record with flag `block`. `place`: of the counter's refusals.
    fn block(self, block: &Block, place: usize) -> Self {
        let Block { after, within_ms, for_ms, refused } = block;
        let (count, ago_ms) = refused.map_or((0, 0), |one| (one.count.get(), one.ago_ms.get()));
        let numbers = [after.get(), within_ms.get(), for_ms.get(), count, ago_ms];
        let record = self.number(place as u64 + 1, 4);
        numbers.into_iter().fold(record, |record, number| record.number(number, 7))
    }
}

/// Combines the flags enforce, unlimited, last, more and block into bits, the first one lowest.
fn flag_bits(flags: [bool; 5]) -> u64 {
    flags.into_iter().rev().fold(0, |bits, flag| bits << 1 | u64::from(flag))
}

/// Builds the record of a charge whose keys are at `places`. `last`: true for the last charge of a
/// request.
pub(super) fn charge(charge: &Charge, places: Places, last: bool) -> Vec<u8> {
    let until_ms = match charge.terms.standing {
        Standing::BlockedUntil(until_ms) => until_ms.get(),
        Standing::Limited | Standing::Unlimited => 0,
    };
    let lease = charge.lease.filter(|lease| lease.wish.get() > 0);
    let block = places.block;
    let more = until_ms > 0 || lease.is_some() || block.is_some();
    let flags = [charge.enforce, charge.terms.is_unlimited(), last, more, block.is_some()];
    let mut record =
        Record::default().terms(flags, places.counter, &charge.terms, charge.cost.get());
    if more {
        let (wish, lease_ms) =
            lease.map_or((0, 0), |ask: LeaseAsk| (ask.wish.get(), ask.lease_ms.get()));
        record = record.more(until_ms, wish, lease_ms);
    }
    if let Some((block, place)) = block {
        record = record.block(&block, place);
    }
    record.0
}

/// Builds the record of one counter's part of a settle. `last`: true for the last part. A block on
/// the key does not affect settles.
pub(super) fn settle_charge(charge: &SettleCharge, place: usize, last: bool) -> Vec<u8> {
    let (charges, amount) = match charge.amount {
        SettleAmount::GiveBack(amount) => (false, amount.get()),
        SettleAmount::Charge(amount) => (true, amount.get()),
    };
    let flags = [charges, charge.terms.is_unlimited(), last, true, false];
    let lease_ms = charge.lease_ms.map_or(0, |lease_ms| lease_ms.get());
    Record::default().terms(flags, place, &charge.terms, amount).more(0, 0, lease_ms).0
}

/// Builds the header of a settle, with its mark at `place`.
pub(super) fn mark(place: usize, decision_ms: u64) -> Vec<u8> {
    Record::default().number(place as u64 + 1, 4).number(decision_ms, 6).0
}

/// Builds the record of a top-up.
pub(super) fn top_up(amount: u64) -> Vec<u8> {
    Record::default().number(amount, 7).0
}
