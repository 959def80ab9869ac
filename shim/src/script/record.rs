//! What is put to the scripts: one binary record for each key, as `count.lua` tells.

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

    fn flag(self, value: bool) -> Self {
        self.number(u64::from(value), 1)
    }

    /// The method, the flags and the terms: what every record begins with.
    fn terms(self, terms: &Terms, flags: [bool; 4], amount: u64) -> Self {
        let (method, limit, [p, q, r]) = match &terms.method {
            Method::SlidingWindow { window_ms, .. } => {
                (b's', terms.limit(), [window_ms.get(), 0, 0])
            }
            Method::FixedWindow { periods, .. } => (b'f', terms.limit(), periods.bounds_ms()),
            // A bucket holds what it holds, also where it does not deny.
            Method::TokenBucket(tokens) => {
                (b't', tokens.burst(), [tokens.per_ms(), tokens.rate(), 0])
            }
        };
        let flags = flags.into_iter().fold(self.number(method.into(), 1), Self::flag);
        [amount, limit, p, q, r].into_iter().fold(flags, |record, number| record.number(number, 7))
    }

    /// What a record goes on with where flag `more` is set.
    fn more(self, until_ms: u64, wish: u64, lease_ms: u64) -> Self {
        self.number(until_ms, 6).number(wish, 5).number(lease_ms, 5)
    }
}

/// The record of one charge; `last` on the last of its request.
pub(super) fn charge(charge: &Charge, last: bool) -> Vec<u8> {
    let until_ms = match charge.terms.standing {
        Standing::BlockedUntil(until_ms) => until_ms.get(),
        Standing::Limited | Standing::Unlimited => 0,
    };
    let lease = charge.lease.filter(|lease| lease.wish.get() > 0);
    let more = until_ms > 0 || lease.is_some();
    let flags = [charge.enforce, charge.terms.is_unlimited(), last, more];
    let record = Record::default().terms(&charge.terms, flags, charge.cost.get());
    match lease {
        Some(LeaseAsk { wish, lease_ms }) => record.more(until_ms, wish.get(), lease_ms.get()).0,
        None if more => record.more(until_ms, 0, 0).0,
        None => record.0,
    }
}

/// The record of one counter's part of a settle; `last` on its last. Whether the key is blocked has
/// no say in what is settled.
pub(super) fn settle_charge(charge: &SettleCharge, last: bool) -> Vec<u8> {
    let (charges, amount) = match charge.amount {
        SettleAmount::GiveBack(amount) => (false, amount.get()),
        SettleAmount::Charge(amount) => (true, amount.get()),
    };
    let flags = [charges, charge.terms.is_unlimited(), last, true];
    let lease_ms = charge.lease_ms.map_or(0, |lease_ms| lease_ms.get());
    Record::default().terms(&charge.terms, flags, amount).more(0, 0, lease_ms).0
}

/// The record of a settle's mark.
pub(super) fn mark(decision_ms: u64) -> Vec<u8> {
    Record::default().number(decision_ms, 6).0
}
