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

    fn method(self, method: &Method) -> Self {
        let kind = match method {
            Method::SlidingWindow { .. } => 1,
            Method::FixedWindow { .. } => 2,
            Method::TokenBucket(_) => 3,
        };
        self.number(kind, 1)
    }

    /// What both sorts of record share: the amount, the terms, the lease.
    fn terms(self, amount: u64, terms: &Terms, wish: u64, lease_ms: u64) -> Self {
        let parameters = match &terms.method {
            Method::SlidingWindow { window_ms, .. } => [window_ms.get(), 0, 0],
            Method::FixedWindow { periods, .. } => periods.bounds_ms(),
            Method::TokenBucket(tokens) => [tokens.per_ms(), tokens.rate(), 0],
        };
        // A token bucket is counted by its burst, also where that does not deny.
        let limit = match &terms.method {
            Method::TokenBucket(tokens) => tokens.burst(),
            _ => terms.limit(),
        };
        let until_ms = match terms.standing {
            Standing::BlockedUntil(until_ms) => until_ms.get(),
            Standing::Limited | Standing::Unlimited => 0,
        };
        let [p, q, r] = parameters;
        [amount, limit, p, q, r]
            .into_iter()
            .fold(self, |record, number| record.number(number, 7))
            .number(until_ms, 6)
            .number(wish, 5)
            .number(lease_ms, 5)
    }
}

/// The record of one charge; `last` on the last of its request.
pub(super) fn charge(charge: &Charge, last: bool) -> Vec<u8> {
    let (wish, lease_ms) =
        charge.lease.map_or((0, 0), |LeaseAsk { wish, lease_ms }| (wish.get(), lease_ms.get()));
    Record::default()
        .method(&charge.terms.method)
        .flag(charge.enforce)
        .flag(charge.terms.is_unlimited())
        .flag(last)
        .terms(charge.cost.get(), &charge.terms, wish, lease_ms)
        .0
}

/// The record of one counter's part of a settle; `last` on its last.
pub(super) fn settle_charge(charge: &SettleCharge, last: bool) -> Vec<u8> {
    let (charges, amount) = match charge.amount {
        SettleAmount::GiveBack(amount) => (false, amount.get()),
        SettleAmount::Charge(amount) => (true, amount.get()),
    };
    let lease_ms = charge.lease_ms.map_or(0, |lease_ms| lease_ms.get());
    Record::default()
        .method(&charge.terms.method)
        .flag(charges)
        .flag(charge.terms.is_unlimited())
        .flag(last)
        .terms(amount, &charge.terms, 0, lease_ms)
        .0
}

/// The record of a settle's mark.
pub(super) fn mark(decision_ms: u64) -> Vec<u8> {
    Record::default().number(decision_ms, 6).0
}
