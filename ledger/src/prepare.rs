//! Converts wire types to the ledger's input: resolves the calendar and applies overrides.
//!
//! Called by [`crate::Ledger::decide`] and [`crate::Ledger::settle`], again if the ledger's clock
//! turns out to be in another period than expected.

use crate::calendar::{Span, Zone};
use crate::checked;
use crate::overrides::{Book, Override};
use crate::seal;
use limits::bounded::MAX_SAFE;
use limits::counter::CounterName;
use limits::ledger::{
    Charge, Method, Periods, Request, Settle, SettleCharge, Standing, Terms, TimeMs,
};
use limits::quota::{
    Balance, FixedWindow, Limit, Quota, SlidingWindow, Start, TokenBucket, WindowMs,
};
use limits::wire;

/// Prepares the ledger's input for one time.
#[derive(Debug, Clone, Copy)]
pub struct Preparer<'a> {
    /// The overrides in force.
    pub book: &'a Book,
    /// The ledger's expected time, in Unix milliseconds.
    pub now_ms: u64,
}

/// A time for which the calendar has no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the calendar has no period for Unix time {now_ms} ms")]
pub struct NoPeriod {
    /// The time.
    pub now_ms: u64,
}

impl Preparer<'_> {
    /// Converts a request, checked by [`checked::requests`], to the ledger's input.
    ///
    /// # Errors
    /// [`NoPeriod`] for a time outside the calendar's range.
    pub fn request(&self, request: &wire::Request) -> Result<Request, NoPeriod> {
        let charges = request.charges.iter().map(|charge| {
            Ok(Charge {
                counter: charge.counter.clone(),
                cost: charge.cost,
                enforce: charge.enforce,
                terms: self.terms(&charge.counter, charge.quota)?,
                lease: charge.lease,
                block: charge.block,
            })
        });
        charges.collect::<Result<_, _>>().map(Request::of_checked)
    }

    /// Converts a part of a settle; `None` if its charges are inconsistent.
    ///
    /// # Errors
    /// [`NoPeriod`] for a time outside the calendar's range.
    pub fn part(
        &self,
        settle: &checked::Settle,
        part: &seal::Part,
    ) -> Result<Option<Settle>, NoPeriod> {
        let charges = part.charges.iter().filter_map(|at| settle.charges.get(*at));
        let charges = charges.map(|charge| self.settle_charge(charge)).collect::<Result<_, _>>()?;
        Ok(Settle::new(part.id.clone(), settle.decision_ms, charges).ok())
    }

    fn settle_charge(&self, charge: &wire::SettleCharge) -> Result<SettleCharge, NoPeriod> {
        Ok(SettleCharge {
            counter: charge.counter.clone(),
            terms: self.terms(&charge.counter, charge.quota)?,
            amount: charge.amount,
            lease_ms: charge.lease_ms,
        })
    }

    /// Returns the terms that apply to `counter`.
    ///
    /// # Errors
    /// [`NoPeriod`] for a time outside the calendar's range.
    pub fn terms(&self, counter: &CounterName, quota: Quota) -> Result<Terms, NoPeriod> {
        let (limit, standing) = match self.book.applying_to(counter) {
            None => (None, Standing::Limited),
            Some(Override::Limit(limit)) => (Some(limit), Standing::Limited),
            Some(Override::Unlimited) => (None, Standing::Unlimited),
            Some(Override::BlockedUntilMs(until_ms)) => (None, Standing::BlockedUntil(until_ms)),
        };
        Ok(Terms { method: self.method(quota, limit)?, standing })
    }

    fn method(&self, quota: Quota, instead: Option<Limit>) -> Result<Method, NoPeriod> {
        Ok(match quota {
            Quota::SlidingWindow(SlidingWindow { limit, window_ms }) => {
                let limit = instead.unwrap_or(limit);
                Method::SlidingWindow(SlidingWindow { limit, window_ms })
            }
            Quota::FixedWindow(FixedWindow { limit, per, time_zone, anchor }) => {
                let zone = Zone::of(time_zone).ok_or_else(|| self.no_period())?;
                let periods = periods(|now_ms| zone.period(per, anchor, now_ms), self.now_ms);
                let periods = periods.ok_or_else(|| self.no_period())?;
                Method::FixedWindow { limit: instead.unwrap_or(limit), periods }
            }
            Quota::TokenBucket(bucket) => {
                Method::TokenBucket(instead.map_or(bucket, |burst| resized(bucket, burst)))
            }
            Quota::Balance(Balance { start }) => {
                let start = instead.map_or(start, |limit| Start::clamped(limit.get()));
                Method::Balance(Balance { start })
            }
        })
    }

    fn no_period(&self) -> NoPeriod {
        NoPeriod { now_ms: self.now_ms }
    }
}

/// Returns the period of `now_ms` and the neighbor nearest to it. If the two clocks differ by up to
/// half a period, the ledger's time is in one of them.
fn periods(period: impl Fn(u64) -> Option<Span>, now_ms: u64) -> Option<Periods> {
    let span = period(now_ms)?;
    let nearer_to_end = span.end_ms - now_ms <= now_ms - span.start_ms;
    let bounds_ms = if nearer_to_end {
        [span.start_ms, span.end_ms, period(span.end_ms)?.end_ms]
    } else {
        let before_ms = period(span.start_ms.checked_sub(1)?)?.start_ms;
        [before_ms, span.start_ms, span.end_ms]
    };
    let [a, b, c] = bounds_ms.map(TimeMs::new);
    Periods::new([a.ok()?, b.ok()?, c.ok()?]).ok()
}

/// Returns the bucket with another burst. Its rate changes in proportion, so that it fills in the
/// same time.
fn resized(bucket: TokenBucket, burst: Limit) -> TokenBucket {
    let burst = burst.get().min(MAX_SAFE / bucket.per_ms());
    let rate = u128::from(bucket.rate()) * u128::from(burst) / u128::from(bucket.burst());
    let rate = Limit::clamped(u64::try_from(rate).unwrap_or(MAX_SAFE));
    let per_ms = WindowMs::clamped(bucket.per_ms());
    TokenBucket::new(rate, per_ms, Limit::clamped(burst)).unwrap_or(bucket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overrides::Book;
    use limits::quota::{Anchor, Period, TimeZone};

    const HOUR_MS: u64 = 3_600_000;
    const DAY_MS: u64 = 24 * HOUR_MS;

    fn counter() -> CounterName {
        "tg:{0123456789abcdef0123456789abcdef}:b".to_owned().try_into().unwrap()
    }

    fn terms(overriding: Option<Override>, quota: Quota, now_ms: u64) -> Terms {
        let mut book = Book::default();
        if let Some(overriding) = overriding {
            book.set(counter(), overriding).unwrap();
        }
        Preparer { book: &book, now_ms }.terms(&counter(), quota).unwrap()
    }

    #[test]
    fn the_middle_boundary_is_the_one_nearest_to_now() {
        let utc = Zone::of(TimeZone::UTC).unwrap();
        let day = |now_ms| utc.period(Period::Day, Anchor::default(), now_ms);
        let at = |now_ms| periods(day, now_ms).unwrap().bounds_ms();
        assert_eq!(at(10 * DAY_MS), [9 * DAY_MS, 10 * DAY_MS, 11 * DAY_MS]);
        assert_eq!(at(10 * DAY_MS + 11 * HOUR_MS), [9 * DAY_MS, 10 * DAY_MS, 11 * DAY_MS]);
        assert_eq!(at(10 * DAY_MS + 13 * HOUR_MS), [10 * DAY_MS, 11 * DAY_MS, 12 * DAY_MS]);
        assert_eq!(at(11 * DAY_MS - 1), [10 * DAY_MS, 11 * DAY_MS, 12 * DAY_MS]);
    }

    #[test]
    fn an_override_takes_precedence_over_the_quota() {
        let ten = Quota::SlidingWindow(SlidingWindow {
            limit: Limit::clamped(10),
            window_ms: WindowMs::clamped(60_000),
        });
        let plain = terms(None, ten, 0);
        assert_eq!((plain.limit(), plain.standing), (10, Standing::Limited));
        let raised = terms(Some(Override::Limit(Limit::clamped(99))), ten, 0);
        assert_eq!((raised.limit(), raised.standing), (99, Standing::Limited));
        assert!(terms(Some(Override::Unlimited), ten, 0).is_unlimited());
        let until_ms = TimeMs::clamped(5_000);
        let blocked = terms(Some(Override::BlockedUntilMs(until_ms)), ten, 0);
        assert_eq!(blocked.standing, Standing::BlockedUntil(until_ms));
    }

    #[test]
    fn an_override_covers_the_bucket_s_tiers() {
        let quota = Quota::SlidingWindow(SlidingWindow {
            limit: Limit::clamped(10),
            window_ms: WindowMs::clamped(60_000),
        });
        let tier: CounterName = format!("{}~day.UTC", counter()).try_into().unwrap();
        let limit = |book: &Book| Preparer { book, now_ms: 0 }.terms(&tier, quota).unwrap().limit();
        let mut book = Book::default();
        assert_eq!(limit(&book), 10);
        book.set(counter(), Override::Limit(Limit::clamped(99))).unwrap();
        assert_eq!(limit(&book), 99);
        book.set(tier.clone(), Override::Limit(Limit::clamped(7))).unwrap();
        assert_eq!(limit(&book), 7, "its own takes precedence");
    }

    #[test]
    fn a_resized_bucket_fills_in_the_same_time() {
        let tokens = |rate, burst| {
            TokenBucket::new(Limit::clamped(rate), WindowMs::clamped(1_000), Limit::clamped(burst))
                .unwrap()
        };
        for (instead, rate, burst) in
            [(40, 20, 40), (5, 2, 5), (1, 1, 1), (u64::MAX, 4_503_599_627_370, 9_007_199_254_740)]
        {
            let resized = resized(tokens(10, 20), Limit::clamped(instead));
            assert_eq!((resized.rate(), resized.burst()), (rate, burst), "{instead}");
        }
    }

    #[test]
    fn a_time_outside_the_calendar_is_an_error() {
        let (limit, time_zone) = (Limit::clamped(1), TimeZone::named("Europe/Berlin").unwrap());
        let daily = Quota::FixedWindow(FixedWindow {
            limit,
            per: Period::Day,
            time_zone,
            anchor: Anchor::default(),
        });
        let book = Book::default();
        for now_ms in [0, 1, u64::MAX, 1 << 53] {
            let _ = Preparer { book: &book, now_ms }.terms(&counter(), daily);
        }
        let preparer = Preparer { book: &book, now_ms: u64::MAX };
        assert_eq!(preparer.terms(&counter(), daily), Err(NoPeriod { now_ms: u64::MAX }));
    }
}
