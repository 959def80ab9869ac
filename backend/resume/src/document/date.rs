//! JSON Resume dates: a year, a month or a day.

use jiff::civil::Date;

/// The expectation in errors about dates.
pub const EXPECTED: &str = "a date like 2014-06-29, 2014-06 or 2014";
/// The expectation in errors about dates that must be a day.
pub const EXPECTED_DAY: &str = "a date like 2014-06-29";
/// A regular expression that every date matches. Some matches are not real dates.
pub const PATTERN: &str = "^[12][0-9]{3}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$";

/// A year, a month or a day, as the range from its first day to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialDate {
    first: Date,
    last: Date,
}

impl PartialDate {
    /// Parses a date. Unlike the schema's pattern, it accepts only dates in the calendar, so not
    /// February 30.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let year = digits(parts.next()?, 4).filter(|year| (1000..=2999).contains(year))?;
        let month = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |m| m.map(Some))?;
        let day = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |d| d.map(Some))?;
        if parts.next().is_some() {
            return None;
        }
        let date = |month: i16, day: i16| {
            Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
        };
        Some(match (month, day) {
            (Some(month), Some(day)) => Self { first: date(month, day)?, last: date(month, day)? },
            (Some(month), None) => {
                Self { first: date(month, 1)?, last: date(month, 1)?.last_of_month() }
            }
            (None, _) => Self { first: date(1, 1)?, last: date(12, 31)? },
        })
    }

    /// Returns true for a single day.
    #[must_use]
    pub fn is_day(self) -> bool {
        self.first == self.last
    }

    /// Returns true if all of `self` lies before `other`: 2014 is neither before nor after 2014-06.
    #[must_use]
    pub fn is_before(self, other: Self) -> bool {
        self.last < other.first
    }
}

/// Parses exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<i16> {
    let right = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    right.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_must_exist_in_the_calendar() {
        for good in ["2014", "2014-06", "2014-06-29", "2024-02-29", "1000", "2999-12-31"] {
            assert!(PartialDate::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "2014-19",
            "2014-00",
            "2014-02-30",
            "2023-02-29",
            "2014-06-00",
            "2014-6",
            "2014-06-29T00:00:00Z",
            "14",
            "0999",
            "3000",
            "2014-",
            "2014-06-29-01",
            "-2014",
            "+201",
            "２０１４",
            "Present",
            " 2014",
            "2014-06-1a",
        ] {
            assert!(PartialDate::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_date_is_before_another_if_all_its_days_are() {
        let is_before = |one: &str, other: &str| {
            PartialDate::parse(one).unwrap().is_before(PartialDate::parse(other).unwrap())
        };
        for (one, other) in [
            ("2013", "2014"),
            ("2014-05", "2014-06"),
            ("2014-06-28", "2014-06-29"),
            ("2013-12-31", "2014"),
            ("2014-05", "2014-06-01"),
        ] {
            assert!(is_before(one, other), "{one} {other}");
            assert!(!is_before(other, one), "{other} {one}");
        }
        for (one, other) in [("2014", "2014-06"), ("2014-06", "2014-06-30"), ("2014", "2014")] {
            assert!(!is_before(one, other), "{one} {other}");
            assert!(!is_before(other, one), "{other} {one}");
        }
    }
}
