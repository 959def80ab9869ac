//! Calendar periods in a time zone, including daylight saving time.
//!
//! Called by [`crate::prepare`] for [`Quota::FixedWindow`](limits::quota::Quota::FixedWindow). The
//! ledger receives the boundaries, so it needs no calendar.
//!
//! Every instant is in exactly one period, whatever the clocks do:
//!
//! - *minute*, *hour*: from an instant at which the local clock shows second (minute) 0 to the next
//!   one. When clocks go back an hour, 02:00 to 03:00 occurs twice and counts as two hours.
//! - *day*, *week*, *month*, *year*: from the first instant with the period's first date to the
//!   first instant with that of the next. An [`Anchor`] says which date that is. If midnight is
//!   skipped, the day begins after the gap. If midnight occurs twice, the day begins at the first. A
//!   day that has begun does not end when the clocks go back over midnight.
//!
//! The time zones are bundled in the binary, not taken from the machine, so all shims of a version
//! compute the same boundaries.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{self, AmbiguousOffset, Offset, TimeZoneDatabase};
use limits::quota::{Anchor, Period, TimeZone};
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

    /// Returns the period that contains `now_ms` (Unix time); `None` outside the years 2..=9997.
    #[must_use]
    pub(crate) fn period(&self, per: Period, anchor: Anchor, now_ms: u64) -> Option<Span> {
        let now_ms = i64::try_from(now_ms).ok()?;
        let (start_ms, end_ms) = match per {
            Period::Minute => self.clock_period(now_ms, 60_000)?,
            Period::Hour => self.clock_period(now_ms, 3_600_000)?,
            Period::Day => self.date_period(now_ms, Some, |date| date.tomorrow().ok())?,
            Period::Week => {
                let day =
                    Weekday::from_monday_one_offset(i8::try_from(anchor.weekday()).ok()?).ok()?;
                let floor = |date: Date| date.tomorrow().ok()?.nth_weekday(-1, day).ok();
                self.date_period(now_ms, floor, |first| first.nth_weekday(1, day).ok())?
            }
            Period::Month => {
                let begin = |months| month_day(months, anchor.month_day());
                let floor = |date| not_after(date, months(date), begin);
                self.date_period(now_ms, floor, |first| begin(months(first) + 1))?
            }
            Period::Year => {
                let (month, day) = anchor.year_day();
                let begin = |year: i32| month_day(year * 12 + i32::from(month) - 1, day);
                let floor = |date: Date| not_after(date, i32::from(date.year()), begin);
                self.date_period(now_ms, floor, |first| begin(i32::from(first.year()) + 1))?
            }
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
        floor: impl Fn(Date) -> Option<Date>,
        next: impl Fn(Date) -> Option<Date>,
    ) -> Option<(i64, i64)> {
        let now = timestamp(now_ms)?;
        let mut date = floor(self.0.to_offset(now).to_datetime(now).date())?;
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

/// Returns the first date of the period `number` if it is not after `date`, else of the one before.
fn not_after(date: Date, number: i32, begin: impl Fn(i32) -> Option<Date>) -> Option<Date> {
    begin(number).filter(|first| *first <= date).or_else(|| begin(number - 1))
}

/// Returns the number of months from January of the year 0 to the month of `date`.
fn months(date: Date) -> i32 {
    i32::from(date.year()) * 12 + i32::from(date.month()) - 1
}

/// Returns a day of the month that is `months` after January of the year 0, or the month's last day
/// if it is shorter.
fn month_day(months: i32, day: u8) -> Option<Date> {
    let year = i16::try_from(months.div_euclid(12)).ok()?;
    let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
    let first = Date::new(year, month, 1).ok()?;
    let day = i8::try_from(day).ok()?.min(first.days_in_month());
    Date::new(year, month, day).ok()
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
        check_from(zone, per, "", now, start, end);
    }

    /// Like [`check`], for periods that begin on the day `anchor`.
    fn check_from(zone: &str, per: Period, anchor: &str, now: &str, start: &str, end: &str) {
        let zone = Zone::of(TimeZone::named(zone).unwrap()).unwrap();
        let anchor = Anchor::find(per, anchor).unwrap_or_default();
        let expected = Span { start_ms: ms(start), end_ms: ms(end) };
        for at_ms in [ms(now), expected.start_ms, expected.end_ms - 1] {
            assert_eq!(zone.period(per, anchor, at_ms), Some(expected), "{per:?} {now} at {at_ms}");
        }
        assert_eq!(zone.period(per, anchor, expected.end_ms).unwrap().start_ms, expected.end_ms);
        assert_eq!(
            zone.period(per, anchor, expected.start_ms - 1).unwrap().end_ms,
            expected.start_ms
        );
    }

    #[test]
    fn utc_periods_are_regular() {
        let check = |per, start, end| check("UTC", per, "2024-02-29T13:37:42.123Z", start, end);
        check(Period::Minute, "2024-02-29T13:37:00Z", "2024-02-29T13:38:00Z");
        check(Period::Hour, "2024-02-29T13:00:00Z", "2024-02-29T14:00:00Z");
        check(Period::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z");
        check(Period::Week, "2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z");
        check(Period::Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
        check(Period::Year, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    }

    #[test]
    fn an_anchor_moves_the_start() {
        for (per, anchor, now, start, end) in [
            (Period::Week, "monday", "2024-03-04", "2024-03-04", "2024-03-11"),
            (Period::Week, "sunday", "2024-03-04", "2024-03-03", "2024-03-10"),
            (Period::Week, "friday", "2024-02-29", "2024-02-23", "2024-03-01"),
            (Period::Week, "friday", "2024-03-01", "2024-03-01", "2024-03-08"),
            (Period::Month, "15", "2024-03-14", "2024-02-15", "2024-03-15"),
            (Period::Month, "15", "2024-03-15", "2024-03-15", "2024-04-15"),
            (Period::Month, "15", "2024-01-01", "2023-12-15", "2024-01-15"),
            // The 31st is the last day of each month.
            (Period::Month, "31", "2024-02-28", "2024-01-31", "2024-02-29"),
            (Period::Month, "31", "2024-02-29", "2024-02-29", "2024-03-31"),
            (Period::Month, "31", "2023-03-01", "2023-02-28", "2023-03-31"),
            (Period::Month, "31", "2023-04-30", "2023-04-30", "2023-05-31"),
            (Period::Month, "30", "2023-02-27", "2023-01-30", "2023-02-28"),
            (Period::Year, "04-06", "2024-04-05", "2023-04-06", "2024-04-06"),
            (Period::Year, "04-06", "2024-04-06", "2024-04-06", "2025-04-06"),
            // 29 February is the 28th in other years.
            (Period::Year, "02-29", "2023-12-31", "2023-02-28", "2024-02-29"),
            (Period::Year, "02-29", "2024-02-28", "2023-02-28", "2024-02-29"),
            (Period::Year, "02-29", "2024-02-29", "2024-02-29", "2025-02-28"),
            (Period::Year, "12-31", "2024-12-30", "2023-12-31", "2024-12-31"),
            (Period::Year, "02-29", "2100-02-28", "2100-02-28", "2101-02-28"),
        ] {
            let midnight = |date: &str| format!("{date}T00:00:00Z");
            check_from("UTC", per, anchor, &midnight(now), &midnight(start), &midnight(end));
        }
    }

    #[test]
    fn anchored_periods_across_a_clock_change() {
        for (zone, per, anchor, now, start, end) in [
            (
                "Europe/Berlin",
                Period::Week,
                "sunday",
                "2025-03-30T12:00+02",
                "2025-03-30T00:00+01",
                "2025-04-06T00:00+02",
            ),
            (
                "America/New_York",
                Period::Year,
                "11-02",
                "2025-11-02T01:30-05",
                "2025-11-02T00:00-04",
                "2026-11-02T00:00-05",
            ),
            // The date on which the month begins was skipped.
            (
                "Pacific/Apia",
                Period::Month,
                "30",
                "2011-12-31T12:00+14",
                "2011-12-31T00:00+14",
                "2012-01-30T00:00+14",
            ),
        ] {
            check_from(zone, per, anchor, now, start, end);
        }
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
                    walk(&zone, (Period::Minute, ""), around_ms, 300_000, 60_000);
                    walk(&zone, (Period::Hour, ""), around_ms, 30 * HOUR_MS, 3 * HOUR_MS);
                    walk(&zone, (Period::Day, ""), around_ms, 72 * HOUR_MS, 49 * HOUR_MS);
                    for day in ["monday", "saturday"] {
                        let week = (Period::Week, day);
                        walk(&zone, week, around_ms, 200 * HOUR_MS, 170 * HOUR_MS);
                    }
                    for day in ["1", "30", "31"] {
                        let month = (Period::Month, day);
                        walk(&zone, month, around_ms, 800 * HOUR_MS, 769 * HOUR_MS);
                    }
                }
            }
            assert!(changes > 0 || name == "Asia/Kathmandu", "{name}");
        }
    }

    const HOUR_MS: u64 = 3_600_000;

    /// Checks that periods are adjacent from `reach_ms` before a time until as long after it.
    fn walk(
        zone: &Zone,
        (per, anchor): (Period, &str),
        around_ms: u64,
        reach_ms: u64,
        longest_ms: u64,
    ) {
        let anchor = Anchor::find(per, anchor).unwrap_or_default();
        let mut at_ms = around_ms - reach_ms;
        while at_ms < around_ms + reach_ms {
            let span = zone.period(per, anchor, at_ms).unwrap();
            assert!(span.start_ms <= at_ms && at_ms < span.end_ms, "{zone:?} {per:?} {at_ms}");
            let length_ms = span.end_ms - span.start_ms;
            assert!((1..=longest_ms).contains(&length_ms), "{zone:?} {per:?} {at_ms}");
            let middle = zone.period(per, anchor, span.start_ms + length_ms / 2).unwrap();
            assert_eq!(middle, span, "{zone:?} {per:?} {at_ms}");
            let next = zone.period(per, anchor, span.end_ms).unwrap();
            assert_eq!(next.start_ms, span.end_ms, "{zone:?} {per:?} {at_ms}");
            at_ms = span.end_ms;
        }
    }

    /// Compares the periods of every zone and anchor with a plain model: the local date of an instant
    /// decides its period, except in the hours after clocks went back over midnight. Each period
    /// ends where the next begins, and none is longer than [`Period::longest_ms`] says.
    #[test]
    fn the_periods_of_every_zone_and_anchor_tile_time() {
        let anchors = || {
            let weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
            let weeks =
                weekdays.into_iter().chain(["sunday"]).map(|day| (Period::Week, day.to_owned()));
            let months = (1..=31).map(|day| (Period::Month, day.to_string()));
            let years = ["01-01", "02-28", "02-29", "03-01", "06-15", "12-31"];
            weeks.chain(months).chain(years.into_iter().map(|day| (Period::Year, day.to_owned())))
        };
        for (at, name) in ZONES.available().enumerate() {
            let zone = Zone::of(TimeZone::named(name.as_str()).unwrap()).unwrap();
            // Each zone gets some of the anchors, to save time.
            for (per, day) in anchors().skip(at % 11).step_by(11) {
                let anchor = Anchor::find(per, &day).unwrap();
                let mut at_ms = ms("2010-12-20T12:00Z") + at as u64 * HOUR_MS;
                let until_ms = at_ms + 2 * per.longest_ms() + 100 * HOUR_MS;
                while at_ms < until_ms {
                    let span = zone.period(per, anchor, at_ms).unwrap();
                    let context = || format!("{name} {per:?} {day} {at_ms}");
                    assert!(span.start_ms <= at_ms && at_ms < span.end_ms, "{}", context());
                    assert!(span.end_ms - span.start_ms <= per.longest_ms(), "{}", context());
                    for (inside_ms, first) in [(span.start_ms, true), (span.end_ms - 1, false)] {
                        assert_eq!(
                            zone.period(per, anchor, inside_ms),
                            Some(span),
                            "{}",
                            context()
                        );
                        if let Some(begins) = begins(&zone, per, &day, inside_ms) {
                            assert_eq!(begins, first, "{}", context());
                        }
                    }
                    at_ms = span.end_ms;
                }
            }
        }
    }

    /// Returns true if a period begins on the local date of `at_ms`. `None` around a date that was
    /// skipped or occurred twice.
    fn begins(zone: &Zone, per: Period, day: &str, at_ms: u64) -> Option<bool> {
        let local =
            |ms: i64| zone.0.to_offset(timestamp(ms).unwrap()).to_datetime(timestamp(ms).unwrap());
        let at_ms = i64::try_from(at_ms).unwrap();
        let near = |hours: i64| local(at_ms + hours * 3_600_000).date();
        let date = near(0);
        let is_regular = (near(24) == date.tomorrow().unwrap() || near(23) == near(24))
            && (-26..26).all(|hours| near(hours) <= near(hours + 1))
            && near(26) <= date.checked_add(jiff::Span::new().days(2)).unwrap();
        is_regular.then(|| match per {
            Period::Week => format!("{:?}", date.weekday()).to_lowercase() == day,
            Period::Month => {
                let wanted: i8 = day.parse().unwrap();
                date.day() == wanted.min(date.days_in_month())
            }
            _ => {
                let shown = date.strftime("%m-%d").to_string();
                shown == day || day == "02-29" && shown == "02-28" && !date.in_leap_year()
            }
        })
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
        for per in [Period::Day, Period::Week, Period::Month, Period::Year] {
            for absurd_ms in [u64::MAX, 1 << 53] {
                assert_eq!(utc.period(per, Anchor::default(), absurd_ms), None);
            }
        }
    }
}
