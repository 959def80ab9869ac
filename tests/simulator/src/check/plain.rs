//! What counts in one counter, by the definition: the charges dated within the last window, or
//! made in this period, or not flowed in again since, less what was given back of those same
//! charges. Kept as simply as it is said, charge by charge, and nothing of it is shared with the
//! ledger.

use limits::ledger::Method;
use limits::quota::{SlidingWindow, TokenBucket};
use std::collections::BTreeMap;

/// Above this limit, a date may be late by up to a 128th of the window.
const EXACT_LIMIT: u64 = 128;
/// A token bucket that was charged at more times than this since it was full may take a give-back in
/// part only: it remembers so many low points.
const EXACT_TIMES: usize = 64;

/// What counts in one counter.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// What was charged and not given back, by its date: for a calendar quota, its period's start.
    by_date: BTreeMap<u64, u64>,
    /// What all dates come to.
    total: u64,
    /// Of a token bucket: what was charged since it was full, given back or not, by its date.
    charged: BTreeMap<u64, u64>,
    /// Whether it was ever held against more than [`EXACT_LIMIT`].
    is_coarse: bool,
}

/// A charge that was made, and may be given back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    date_ms: u64,
    charged: u64,
    left: u64,
}

impl Charge {
    /// How much of it has come back.
    pub(super) const fn given_back(&self) -> u64 {
        self.charged - self.left
    }
}

impl Plain {
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
        };
        *self.by_date.entry(date_ms).or_default() += amount;
        self.total += amount;
        Charge { date_ms, charged: amount, left: amount }
    }

    /// Gives `amount` of `charge` back: it is as if so much had never been charged.
    pub(super) fn give_back(&mut self, amount: u64, charge: &mut Charge) {
        let amount = amount.min(charge.left);
        charge.left -= amount;
        if let Some(counted) = self.by_date.get_mut(&charge.date_ms) {
            *counted -= amount;
            self.total -= amount;
        }
    }

    /// How long from `now_ms` until `cost` fits at the latest, absent other traffic: with every
    /// date as late as it may be.
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
        }
    }

    /// Forgets what is dated `until_ms` or before.
    fn forget(&mut self, until_ms: u64) {
        while let Some(first) = self.by_date.first_entry().filter(|first| *first.key() <= until_ms)
        {
            self.total -= first.remove();
        }
    }
}

/// The units missing from a full bucket of which so much was taken at these times.
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
    fn a_charge_counts_for_a_window_and_at_most_a_slot_longer() {
        for (limit, waits) in [(2, 1_280), (200, 1_290)] {
            let (method, mut plain) = (sliding(limit), Plain::default());
            plain.charge(1_000, limit, 0, &method);
            assert_eq!(plain.wait_ms(1_000, 1, &method), waits);
            assert_eq!(plain.wait_ms(1_000 + waits, 1, &method), 0);
        }
    }

    #[test]
    fn what_is_given_back_is_of_its_own_charge() {
        let (method, mut plain) = (sliding(5), Plain::default());
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
    fn a_lease_is_dated_at_its_end_and_ends_a_calendar_quota_with_its_period() {
        let (method, mut plain) = (sliding(5), Plain::default());
        let mut lease = plain.charge(1_000, 5, 20, &method);
        assert_eq!(plain.wait_ms(1_000, 1, &method), 1_300);
        plain.give_back(4, &mut lease);
        assert_eq!(plain.wait_ms(1_020, 4, &method), 0);

        let periods = Periods::new([0, 10_000, 20_000].map(TimeMs::clamped)).unwrap();
        let method = Method::FixedWindow { limit: Limit::clamped(5), periods };
        let mut plain = Plain::default();
        let mut lease = plain.charge(9_000, 5, 500, &method);
        assert_eq!(plain.wait_ms(9_400, 1, &method), 600);
        assert_eq!(plain.wait_ms(10_000, 5, &method), 0);
        plain.charge(10_000, 5, 0, &method);
        plain.give_back(5, &mut lease);
        assert_eq!(plain.wait_ms(10_200, 1, &method), 9_800, "of another period");
    }

    #[test]
    fn a_bucket_gets_back_what_would_not_be_missing() {
        let burst = Limit::clamped(2);
        let tokens = TokenBucket::new(Limit::clamped(1), WindowMs::clamped(100), burst).unwrap();
        let (method, mut plain) = (Method::TokenBucket(tokens), Plain::default());
        plain.charge(1_000, 1, 0, &method);
        let mut charge = plain.charge(1_000, 1, 0, &method);
        assert_eq!(plain.wait_ms(1_030, 1, &method), 70);
        plain.give_back(1, &mut charge);
        assert_eq!(plain.wait_ms(1_030, 1, &method), 0);
        assert_eq!(plain.wait_ms(1_030, 2, &method), 70);
        let mut early = plain.charge(1_500, 1, 0, &method);
        plain.charge(1_600, 1, 0, &method);
        plain.give_back(1, &mut early);
        assert_eq!(plain.wait_ms(1_600, 2, &method), 100, "it had flowed in again");
    }
}
