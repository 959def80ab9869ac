//! A naive counter that follows the definition: it counts charges dated within the last window (or
//! period, or not yet refilled), minus the refunds of those same charges. It keeps every charge and
//! shares no code with the ledger.

use limits::ledger::{Method, NEVER};
use limits::quota::{SlidingWindow, TokenBucket};
use std::collections::BTreeMap;

/// Above this limit, a charge may expire late by up to a 128th of the window.
const EXACT_LIMIT: u64 = 128;
/// A token bucket remembers this many low points. With more charge times since it was last full, it
/// may apply a refund only partially.
const EXACT_TIMES: usize = 64;

/// One counter.
#[derive(Debug, Default)]
pub(super) struct PlainCounter {
    /// Unrefunded charges by date. For a calendar quota the date is its period's start.
    by_date: BTreeMap<u64, u64>,
    /// The sum over all dates.
    total: u64,
    /// Token buckets only: charges since the bucket was last full, including refunded ones, by
    /// date.
    charged: BTreeMap<u64, u64>,
    /// Balances only: the sum of all top-ups.
    added: u64,
    /// True if its limit ever exceeded [`EXACT_LIMIT`].
    is_coarse: bool,
}

/// A charge that can be refunded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    date_ms: u64,
    charged: u64,
    left: u64,
}

impl Charge {
    /// Returns the refunded amount.
    pub(super) const fn given_back(&self) -> u64 {
        self.charged - self.left
    }
}

impl PlainCounter {
    /// Charges `amount`, dated `ahead_ms` from now.
    pub(super) fn charge(
        &mut self,
        now_ms: u64,
        amount: u64,
        ahead_ms: u64,
        method: &Method,
    ) -> Charge {
        let date_ms = match method {
            Method::SlidingWindow(SlidingWindow { limit, window_ms }) => {
                self.is_coarse |= limit.get() > EXACT_LIMIT;
                now_ms + ahead_ms.min(window_ms.get())
            }
            Method::FixedWindow { periods, .. } => {
                periods.containing(now_ms).map_or(now_ms, |(start_ms, _)| start_ms)
            }
            Method::TokenBucket(tokens) => {
                if missing(&self.charged, now_ms, tokens) == 0 {
                    self.charged.clear();
                    self.forget(now_ms);
                }
                *self.charged.entry(now_ms).or_default() += amount;
                now_ms
            }
            Method::Balance(_) => now_ms,
        };
        *self.by_date.entry(date_ms).or_default() += amount;
        self.total += amount;
        Charge { date_ms, charged: amount, left: amount }
    }

    /// Adds `amount` to a balance.
    pub(super) const fn top_up(&mut self, amount: u64) {
        self.added += amount;
    }

    /// Refunds `amount` of `charge`, as if it had never been charged.
    pub(super) fn give_back(&mut self, amount: u64, charge: &mut Charge) {
        let amount = amount.min(charge.left);
        charge.left -= amount;
        if let Some(counted) = self.by_date.get_mut(&charge.date_ms) {
            *counted -= amount;
            self.total -= amount;
        }
    }

    /// Returns the longest wait, in ms from `now_ms`, until `cost` fits without other traffic.
    /// Assumes that every charge expires as late as it may.
    pub(super) fn wait_ms(&mut self, now_ms: u64, cost: u64, method: &Method) -> u64 {
        match method {
            Method::SlidingWindow(SlidingWindow { limit, window_ms }) => {
                let late_ms =
                    if self.is_coarse { window_ms.get().div_ceil(EXACT_LIMIT) } else { 0 };
                let counts_ms = window_ms.get() + late_ms;
                self.forget(now_ms.saturating_sub(counts_ms));
                let mut excess = (self.total + cost).saturating_sub(limit.get());
                let leaves = self.by_date.iter().find_map(|(date_ms, amount)| {
                    excess = excess.saturating_sub(*amount);
                    (excess == 0).then_some(date_ms + counts_ms - now_ms)
                });
                if self.total + cost <= limit.get() { 0 } else { leaves.unwrap_or(0) }
            }
            Method::FixedWindow { limit, periods } => {
                let Some((start_ms, end_ms)) = periods.containing(now_ms) else { return 0 };
                let counted = self.by_date.get(&start_ms).copied().unwrap_or(0);
                if counted + cost <= limit.get() { 0 } else { end_ms - now_ms }
            }
            Method::TokenBucket(tokens) => {
                let is_exact = self.charged.len() <= EXACT_TIMES;
                let counted = if is_exact { &self.by_date } else { &self.charged };
                let due = missing(counted, now_ms, tokens) + cost * tokens.per_ms();
                due.saturating_sub(tokens.capacity()).div_ceil(tokens.rate())
            }
            Method::Balance(balance) => {
                if self.total + cost <= balance.start.get() + self.added {
                    0
                } else {
                    NEVER
                }
            }
        }
    }

    /// Removes charges dated `until_ms` or earlier.
    fn forget(&mut self, until_ms: u64) {
        while let Some(first) = self.by_date.first_entry().filter(|first| *first.key() <= until_ms)
        {
            self.total -= first.remove();
        }
    }
}

/// Returns the units missing from a bucket at `now_ms`, given its charges by time.
fn missing(charges: &BTreeMap<u64, u64>, now_ms: u64, tokens: &TokenBucket) -> u64 {
    let flows_in = |missing: u64, from_ms: u64, to_ms: u64| {
        missing.saturating_sub((to_ms - from_ms).saturating_mul(tokens.rate()))
    };
    let (missing, at_ms) = charges.iter().fold((0, 0), |(missing, at_ms), (date_ms, amount)| {
        (flows_in(missing, at_ms, *date_ms) + amount * tokens.per_ms(), *date_ms)
    });
    flows_in(missing, at_ms, now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::ledger::{Periods, TimeMs};
    use limits::quota::{Limit, WindowMs};

    fn sliding(limit: u64) -> Method {
        Method::SlidingWindow(SlidingWindow {
            limit: Limit::clamped(limit),
            window_ms: WindowMs::clamped(1_280),
        })
    }

    #[test]
    fn a_charge_counts_for_a_window_plus_at_most_one_slot() {
        for (limit, waits) in [(2, 1_280), (200, 1_290)] {
            let (method, mut plain) = (sliding(limit), PlainCounter::default());
            plain.charge(1_000, limit, 0, &method);
            assert_eq!(plain.wait_ms(1_000, 1, &method), waits);
            assert_eq!(plain.wait_ms(1_000 + waits, 1, &method), 0);
        }
    }

    #[test]
    fn a_refund_cancels_its_own_charge() {
        let (method, mut plain) = (sliding(5), PlainCounter::default());
        plain.charge(1_000, 4, 0, &method);
        for now_ms in [1_600, 1_601] {
            let mut charge = plain.charge(now_ms, 1, 0, &method);
            assert_eq!(plain.wait_ms(now_ms, 1, &method), 1_000 + 1_280 - now_ms);
            plain.give_back(1, &mut charge);
            plain.give_back(1, &mut charge);
            assert_eq!(plain.wait_ms(now_ms, 1, &method), 0);
        }
        assert_eq!(plain.wait_ms(1_700, 2, &method), 580);
        assert_eq!(plain.wait_ms(2_280, 5, &method), 0);
    }

    #[test]
    fn a_lease_counts_from_its_end_but_expires_with_its_calendar_period() {
        let (method, mut plain) = (sliding(5), PlainCounter::default());
        let mut lease = plain.charge(1_000, 5, 20, &method);
        assert_eq!(plain.wait_ms(1_000, 1, &method), 1_300);
        plain.give_back(4, &mut lease);
        assert_eq!(plain.wait_ms(1_020, 4, &method), 0);

        let periods = Periods::new([0, 10_000, 20_000].map(TimeMs::clamped)).unwrap();
        let method = Method::FixedWindow { limit: Limit::clamped(5), periods };
        let mut plain = PlainCounter::default();
        let mut lease = plain.charge(9_000, 5, 500, &method);
        assert_eq!(plain.wait_ms(9_400, 1, &method), 600);
        assert_eq!(plain.wait_ms(10_000, 5, &method), 0);
        plain.charge(10_000, 5, 0, &method);
        plain.give_back(5, &mut lease);
        assert_eq!(
            plain.wait_ms(10_200, 1, &method),
            9_800,
            "the refund belongs to the previous period"
        );
    }

    #[test]
    fn a_token_bucket_refund_excludes_what_has_refilled() {
        let burst = Limit::clamped(2);
        let tokens = TokenBucket::new(Limit::clamped(1), WindowMs::clamped(100), burst).unwrap();
        let (method, mut plain) = (Method::TokenBucket(tokens), PlainCounter::default());
        plain.charge(1_000, 1, 0, &method);
        let mut charge = plain.charge(1_000, 1, 0, &method);
        assert_eq!(plain.wait_ms(1_030, 1, &method), 70);
        plain.give_back(1, &mut charge);
        assert_eq!(plain.wait_ms(1_030, 1, &method), 0);
        assert_eq!(plain.wait_ms(1_030, 2, &method), 70);
        let mut early = plain.charge(1_500, 1, 0, &method);
        plain.charge(1_600, 1, 0, &method);
        plain.give_back(1, &mut early);
        assert_eq!(plain.wait_ms(1_600, 2, &method), 100, "the early charge had already refilled");
    }
}
