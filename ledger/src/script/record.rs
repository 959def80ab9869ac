//! What is put to the scripts: one binary record for each charge, as `count.lua` tells.

use limits::ledger::{Charge, Method, SettleCharge, Standing, Terms};
use limits::wire::{LeaseAsk, SettleAmount};

/// A record being written, little-endian.
#[derive(Default)]
struct Record(Vec<u8>);

impl Record {
    /// Appends the lowest `width` bytes of `value`, which needs no more.
    fn number(mut self, value: u64, width: usize) -> Self {
        self.0.extend(value.to_le_bytes().into_iter().take(width));
        self
    }

    /// The flags, where the counter is in KEYS, the method and the terms: what every record begins
    /// with.
    fn terms(self, flags: [bool; 4], place: usize, terms: &Terms, amount: u64) -> Self {
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
            // A bucket holds what it holds, also where it does not deny.
            Method::TokenBucket(tokens) => {
                record.method(b't', amount, tokens.burst(), &[tokens.per_ms(), tokens.rate(), 0])
            }
        }
    }

    fn method(self, tag: u8, amount: u64, limit: u64, rest: &[u64]) -> Self {
        let numbers = [amount, limit].into_iter().chain(rest.iter().copied());
        numbers.fold(self.number(tag.into(), 1), |record, number| record.number(number, 7))
    }

    /// What a record goes on with where flag `more` is set.
    fn more(self, until_ms: u64, wish: u64, lease_ms: u64) -> Self {
        self.number(until_ms, 6).number(wish, 5).number(lease_ms, 5)
    }
}

/// Enforce, unlimited, last, more: the first is worth 1, each other twice the one before.
fn flag_bits(flags: [bool; 4]) -> u64 {
    flags.into_iter().rev().fold(0, |bits, flag| bits << 1 | u64::from(flag))
}

/// The record of one charge, whose counter is at `place`; `last` on the last of its request.
pub(super) fn charge(charge: &Charge, place: usize, last: bool) -> Vec<u8> {
    let until_ms = match charge.terms.standing {
        Standing::BlockedUntil(until_ms) => until_ms.get(),
        Standing::Limited | Standing::Unlimited => 0,
    };
    let lease = charge.lease.filter(|lease| lease.wish.get() > 0);
    let more = until_ms > 0 || lease.is_some();
    let flags = [charge.enforce, charge.terms.is_unlimited(), last, more];
    let record = Record::default().terms(flags, place, &charge.terms, charge.cost.get());
    match lease {
        Some(LeaseAsk { wish, lease_ms }) => record.more(until_ms, wish.get(), lease_ms.get()).0,
        None if more => record.more(until_ms, 0, 0).0,
        None => record.0,
    }
}

/// The record of one counter's part of a settle; `last` on its last. Whether the key is blocked has
/// no say in what is settled.
pub(super) fn settle_charge(charge: &SettleCharge, place: usize, last: bool) -> Vec<u8> {
    let (charges, amount) = match charge.amount {
        SettleAmount::GiveBack(amount) => (false, amount.get()),
        SettleAmount::Charge(amount) => (true, amount.get()),
    };
    let flags = [charges, charge.terms.is_unlimited(), last, true];
    let lease_ms = charge.lease_ms.map_or(0, |lease_ms| lease_ms.get());
    Record::default().terms(flags, place, &charge.terms, amount).more(0, 0, lease_ms).0
}

/// What a settle begins with: its mark, which is at `place`.
pub(super) fn mark(place: usize, decision_ms: u64) -> Vec<u8> {
    Record::default().number(place as u64 + 1, 4).number(decision_ms, 6).0
}
