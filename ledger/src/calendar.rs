//! Calendar periods in a time zone, including daylight saving time.
//!
//! Called by [`crate::prepare`] for [`Quota::FixedWindow`](limits::quota::Quota::FixedWindow). The
//! ledger receives the boundaries, so it needs no calendar.
//!
//! Every instant is in exactly one period, whatever the clocks do:
//!
//! - *minute*, *hour*: from an instant at which the local clock shows second (minute) 0 to the next
//!   one. When clocks go back an hour, 02:00 to 03:00 occurs twice and counts as two hours.
//! - *day*, *month*: from the first instant with the date to the first instant with the next one.
//!   If midnight is skipped, the day begins after the gap. If midnight occurs twice, the day begins
//!   at the first. A day that has begun does not end when the clocks go back over midnight.
//!
//! The time zones are bundled in the binary, not taken from the machine, so all shims of a version
//! compute the same boundaries.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{self, AmbiguousOffset, Offset, TimeZoneDatabase};
use limits::quota::{Period, TimeZone};
use std::sync::LazyLock;

/// A calendar period: `start_ms <= now < end_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The period's first millisecond, in Unix time.
    pub start_ms: u64,
    /// The next period's first millisecond, in Unix time.
    pub end_ms: u64,
}

/// A time zone's calendar.
#[derive(Debug, Clone)]
pub(crate) struct Zone(tz::TimeZone);

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The most transitions within one unit of the clock; more than one has never occurred.
const MAX_TRANSITIONS: usize = 8;

impl Zone {
    /// Returns the calendar of `time_zone`; `None` if this binary's time zones lack it.
    #[must_use]
    pub(crate) fn of(time_zone: TimeZone) -> Option<Self> {
        ZONES.get(time_zone.name()).ok().map(Self)
    }

    /// Returns the period that contains `now_ms` (Unix time); `None` outside the years 1..=9998.
    #[must_use]
    pub(crate) fn period(&self, per: Period, now_ms: u64) -> Option<Span> {
        let now_ms = i64::try_from(now_ms).ok()?;
        let (start_ms, end_ms) = match per {
            Period::Minute => self.clock_period(now_ms, 60_000)?,
            Period::Hour => self.clock_period(now_ms, 3_600_000)?,
            Period::Day => self.date_period(now_ms, |date| date, |date| date.tomorrow().ok())?,
            Period::Month => self.date_period(now_ms, Date::first_of_month, |first| {
                first.last_of_month().tomorrow().ok()
            })?,
        };
        Some(Span { start_ms: u64::try_from(start_ms).ok()?, end_ms: u64::try_from(end_ms).ok()? })
    }

    fn clock_period(&self, now_ms: i64, unit_ms: i64) -> Option<(i64, i64)> {
        Some((self.whole_unit_until(now_ms, unit_ms)?, self.whole_unit_after(now_ms, unit_ms)?))
    }

    /// Returns the last instant ≤ `at_ms` at which the local clock shows a whole unit.
    fn whole_unit_until(&self, mut at_ms: i64, unit_ms: i64) -> Option<i64> {
        for _ in 0..MAX_TRANSITIONS {
            let past_ms = (at_ms + self.offset_ms(at_ms)?).rem_euclid(unit_ms);
            let candidate_ms = at_ms - past_ms;
            match self.transition_until(at_ms) {
                // The offset was different at the candidate: continue before the change.
                Some(change_ms) if change_ms > candidate_ms => at_ms = change_ms - 1,
                _ => return Some(candidate_ms),
            }
        }
        None
    }

    /// Returns the first instant > `at_ms` at which the local clock shows a whole unit.
    fn whole_unit_after(&self, mut at_ms: i64, unit_ms: i64) -> Option<i64> {
        for _ in 0..MAX_TRANSITIONS {
            let past_ms = (at_ms + self.offset_ms(at_ms)?).rem_euclid(unit_ms);
            let candidate_ms = at_ms + unit_ms - past_ms;
            match self.transition_after(at_ms) {
                Some(change_ms) if change_ms <= candidate_ms => {
                    if (change_ms + self.offset_ms(change_ms)?).rem_euclid(unit_ms) == 0 {
                        return Some(change_ms);
                    }
                    at_ms = change_ms;
                }
                _ => return Some(candidate_ms),
            }
        }
        None
    }

    /// Returns the period from the first instant of one date to the first instant of the next.
    /// `floor` maps a date to the first date of its period, and `next` maps that to the following
    /// period's.
    fn date_period(
        &self,
        now_ms: i64,
        floor: impl Fn(Date) -> Date,
        next: impl Fn(Date) -> Option<Date>,
    ) -> Option<(i64, i64)> {
        let now = timestamp(now_ms)?;
        let mut date = floor(self.0.to_offset(now).to_datetime(now).date());
        let mut end_ms = self.first_instant(next(date)?)?;
        if end_ms <= now_ms {
            // The clocks went back over midnight, so the next date has already begun.
            date = next(date)?;
            end_ms = self.first_instant(next(date)?)?;
        }
        Some((self.first_instant(date)?, end_ms))
    }

    /// Returns the first instant with this local date, or a later one if the date is skipped.
    fn first_instant(&self, date: Date) -> Option<i64> {
        let midnight = date.to_datetime(Time::midnight());
        let at = |offset: Offset| Some(offset.to_timestamp(midnight).ok()?.as_millisecond());
        match self.0.to_ambiguous_timestamp(midnight).offset() {
            AmbiguousOffset::Unambiguous { offset } => at(offset),
            AmbiguousOffset::Fold { before, .. } => at(before),
            AmbiguousOffset::Gap { before, .. } => self.transition_until(at(before)?),
        }
    }

    fn offset_ms(&self, at_ms: i64) -> Option<i64> {
        Some(i64::from(self.0.to_offset(timestamp(at_ms)?).seconds()) * 1_000)
    }

    /// Returns the last change of the offset at or before `at_ms`.
    fn transition_until(&self, at_ms: i64) -> Option<i64> {
        let just_after = timestamp(at_ms + 1)?;
        self.0.preceding(just_after).next().map(|change| change.timestamp().as_millisecond())
    }

    /// Returns the first change of the offset after `at_ms`.
    fn transition_after(&self, at_ms: i64) -> Option<i64> {
        let at = timestamp(at_ms)?;
        self.0.following(at).next().map(|change| change.timestamp().as_millisecond())
    }
}

fn timestamp(unix_ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(unix_ms).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        let at: Timestamp = text.parse().unwrap();
        u64::try_from(at.as_millisecond()).unwrap()
    }

    /// Checks that `now` is in the period from `start` to `end`, as are the instants at both ends,
    /// and that the neighboring periods are adjacent.
    fn check(zone: &str, per: Period, now: &str, start: &str, end: &str) {
        let zone = Zone::of(TimeZone::named(zone).unwrap()).unwrap();
        let expected = Span { start_ms: ms(start), end_ms: ms(end) };
        for at_ms in [ms(now), expected.start_ms, expected.end_ms - 1] {
            assert_eq!(zone.period(per, at_ms), Some(expected), "{per:?} {now} at {at_ms}");
        }
        assert_eq!(zone.period(per, expected.end_ms).unwrap().start_ms, expected.end_ms);
        assert_eq!(zone.period(per, expected.start_ms - 1).unwrap().end_ms, expected.start_ms);
    }

    #[test]
    fn utc_periods_are_regular() {
        let check = |per, start, end| check("UTC", per, "2024-02-29T13:37:42.123Z", start, end);
        check(Period::Minute, "2024-02-29T13:37:00Z", "2024-02-29T13:38:00Z");
        check(Period::Hour, "2024-02-29T13:00:00Z", "2024-02-29T14:00:00Z");
        check(Period::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z");
        check(Period::Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
    }

    #[test]
    fn months_have_the_right_length() {
        for (now, start, end) in [
            ("2023-02-28T23:59:59Z", "2023-02-01T00:00:00Z", "2023-03-01T00:00:00Z"),
            ("2024-12-31T23:59:59Z", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z"),
            ("2024-01-31T12:00:00Z", "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"),
            ("2100-02-28T12:00:00Z", "2100-02-01T00:00:00Z", "2100-03-01T00:00:00Z"),
        ] {
            check("UTC", Period::Month, now, start, end);
        }
    }

    #[test]
    fn days_can_have_23_or_25_hours() {
        for (zone, now, start, end) in [
            ("Europe/Berlin", "2025-03-30T12:00+02", "2025-03-30T00:00+01", "2025-03-31T00:00+02"),
            ("Europe/Berlin", "2025-10-26T02:30+01", "2025-10-26T00:00+02", "2025-10-27T00:00+01"),
            (
                "America/New_York",
                "2025-03-09T03:00-04",
                "2025-03-09T00:00-05",
                "2025-03-10T00:00-04",
            ),
            (
                "America/New_York",
                "2025-11-02T01:30-05",
                "2025-11-02T00:00-04",
                "2025-11-03T00:00-05",
            ),
            // A change of half an hour.
            (
                "Australia/Lord_Howe",
                "2025-04-06T01:45+10:30",
                "2025-04-06T00:00+11",
                "2025-04-07T00:00+10:30",
            ),
            (
                "Australia/Lord_Howe",
                "2025-10-05T02:30+11",
                "2025-10-05T00:00+10:30",
                "2025-10-06T00:00+11",
            ),
            // No daylight saving time, but an offset of 5:45.
            (
                "Asia/Kathmandu",
                "2025-06-01T12:00+05:45",
                "2025-06-01T00:00+05:45",
                "2025-06-02T00:00+05:45",
            ),
        ] {
            check(zone, Period::Day, now, start, end);
        }
    }

    #[test]
    fn a_day_without_midnight_begins_after_the_gap() {
        for (zone, now, start, end) in [
            (
                "America/Sao_Paulo",
                "2018-11-04T12:00-02",
                "2018-11-04T01:00-02",
                "2018-11-05T00:00-02",
            ),
            ("Africa/Cairo", "2024-04-26T12:00+03", "2024-04-26T01:00+03", "2024-04-27T00:00+03"),
        ] {
            check(zone, Period::Day, now, start, end);
        }
        // The day before has 23 hours and ends where the next begins.
        check(
            "America/Sao_Paulo",
            Period::Day,
            "2018-11-03T23:59:59-03",
            "2018-11-03T00:00-03",
            "2018-11-04T01:00-02",
        );
    }

    #[test]
    fn a_day_does_not_begin_twice() {
        // Clocks go back from 00:00 to 23:00, so the day is an hour longer.
        check(
            "America/Sao_Paulo",
            Period::Day,
            "2018-02-17T23:30-03",
            "2018-02-17T00:00-02",
            "2018-02-18T00:00-03",
        );
        // Clocks go back from 00:01 to 23:01 of the previous day. The date occurs twice, and begins
        // the first time.
        for now in ["2010-11-07T00:00:30-02:30", "2010-11-06T23:30-03:30", "2010-11-07T12:00-03:30"]
        {
            check(
                "America/St_Johns",
                Period::Day,
                now,
                "2010-11-07T00:00-02:30",
                "2010-11-08T00:00-03:30",
            );
        }
    }

    #[test]
    fn a_skipped_date_has_no_period() {
        // Samoa skipped 30 December 2011.
        check(
            "Pacific/Apia",
            Period::Day,
            "2011-12-29T12:00-10",
            "2011-12-29T00:00-10",
            "2011-12-31T00:00+14",
        );
        check(
            "Pacific/Apia",
            Period::Month,
            "2011-12-31T12:00+14",
            "2011-12-01T00:00-10",
            "2012-01-01T00:00+14",
        );
    }

    #[test]
    fn hours_across_a_clock_change() {
        for (zone, now, start, end) in [
            ("Europe/Berlin", "2025-03-30T01:30+01", "2025-03-30T01:00+01", "2025-03-30T03:00+02"),
            ("Europe/Berlin", "2025-10-26T02:30+02", "2025-10-26T02:00+02", "2025-10-26T02:00+01"),
            ("Europe/Berlin", "2025-10-26T02:30+01", "2025-10-26T02:00+01", "2025-10-26T03:00+01"),
            // A change of half an hour in either direction makes one hour longer.
            (
                "Australia/Lord_Howe",
                "2025-10-05T02:45+11",
                "2025-10-05T01:00+10:30",
                "2025-10-05T03:00+11",
            ),
            (
                "Australia/Lord_Howe",
                "2025-04-06T01:45+10:30",
                "2025-04-06T01:00+11",
                "2025-04-06T02:00+10:30",
            ),
            (
                "Asia/Kathmandu",
                "2025-06-01T12:30+05:45",
                "2025-06-01T12:00+05:45",
                "2025-06-01T13:00+05:45",
            ),
        ] {
            check(zone, Period::Hour, now, start, end);
        }
    }

    #[test]
    fn months_across_a_clock_change() {
        check(
            "Europe/Berlin",
            Period::Month,
            "2025-03-31T00:00+02",
            "2025-03-01T00:00+01",
            "2025-04-01T00:00+02",
        );
        check(
            "America/New_York",
            Period::Month,
            "2025-11-30T23:00-05",
            "2025-11-01T00:00-04",
            "2025-12-01T00:00-05",
        );
    }

    /// Checks the periods around every clock change of some years, in zones with unusual clocks.
    #[test]
    fn periods_have_no_gaps_or_overlaps() {
        for name in [
            "Africa/Cairo",
            "Africa/Casablanca",
            "America/Havana",
            "America/Sao_Paulo",
            "America/St_Johns",
            "Antarctica/Troll",
            "Asia/Gaza",
            "Asia/Kathmandu",
            "Asia/Pyongyang",
            "Asia/Tehran",
            "Australia/Lord_Howe",
            "Europe/Berlin",
            "Pacific/Apia",
            "Pacific/Chatham",
        ] {
            let zone = Zone::of(TimeZone::named(name).unwrap()).unwrap();
            let mut changes = 0;
            for (from, until) in [("2010-01-01", "2012-01-31"), ("2018-01-01", "2018-12-31")] {
                let mut change_ms = i64::try_from(ms(&format!("{from}T00:00Z"))).unwrap();
                let end_ms = i64::try_from(ms(&format!("{until}T00:00Z"))).unwrap();
                while let Some(at_ms) = zone.transition_after(change_ms).filter(|at| *at < end_ms) {
                    change_ms = at_ms;
                    changes += 1;
                    let around_ms = u64::try_from(change_ms).unwrap();
                    walk(&zone, Period::Minute, around_ms, 300_000, 60_000);
                    walk(&zone, Period::Hour, around_ms, 30 * HOUR_MS, 3 * HOUR_MS);
                    walk(&zone, Period::Day, around_ms, 72 * HOUR_MS, 49 * HOUR_MS);
                    walk(&zone, Period::Month, around_ms, 800 * HOUR_MS, 769 * HOUR_MS);
                }
            }
            assert!(changes > 0 || name == "Asia/Kathmandu", "{name}");
        }
    }

    const HOUR_MS: u64 = 3_600_000;

    /// Checks that periods are adjacent from `reach_ms` before a time until as long after it.
    fn walk(zone: &Zone, per: Period, around_ms: u64, reach_ms: u64, longest_ms: u64) {
        let mut at_ms = around_ms - reach_ms;
        while at_ms < around_ms + reach_ms {
            let span = zone.period(per, at_ms).unwrap();
            assert!(span.start_ms <= at_ms && at_ms < span.end_ms, "{zone:?} {per:?} {at_ms}");
            let length_ms = span.end_ms - span.start_ms;
            assert!((1..=longest_ms).contains(&length_ms), "{zone:?} {per:?} {at_ms}");
            let middle = zone.period(per, span.start_ms + length_ms / 2).unwrap();
            assert_eq!(middle, span, "{zone:?} {per:?} {at_ms}");
            let next = zone.period(per, span.end_ms).unwrap();
            assert_eq!(next.start_ms, span.end_ms, "{zone:?} {per:?} {at_ms}");
            at_ms = span.end_ms;
        }
    }

    #[test]
    fn unknown_zones_and_absurd_times_have_no_period() {
        for name in ["", "Mars/Olympus", "Europe", "../etc/passwd", "UTC+1"] {
            assert!(TimeZone::named(name).is_err(), "{name}");
        }
        for name in ZONES.available() {
            assert!(Zone::of(TimeZone::named(name.as_str()).unwrap()).is_some(), "{name}");
        }
        let utc = Zone::of(TimeZone::UTC).unwrap();
        assert_eq!(utc.period(Period::Day, u64::MAX), None);
        assert_eq!(utc.period(Period::Month, 1 << 53), None);
    }
}
