//! The day on which a week, month or year of a calendar quota begins.

use super::period::Period;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The days of the week, from ISO's first.
const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// The days of each month, in a leap year.
const MONTH_DAYS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The day on which a period begins. By default, weeks begin on Monday, months on the 1st, and years
/// on 1 January.
///
/// A month without the day, and a February without the 29th, uses its last day instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Anchor(Day);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Day {
    /// The default day of any period.
    #[default]
    First,
    /// Tuesday to Sunday, 2..=7.
    OfWeek(u8),
    /// 2..=31.
    OfMonth(u8),
    /// A month, 1..=12, and its day, 1..=31. Not 1 January.
    OfYear(u8, u8),
}

/// A text that is not a day of the period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct BadAnchor {
    expected: &'static str,
    found: String,
}

impl Anchor {
    /// Parses a day of `per`: `friday` of a week, `31` of a month, `04-06` (month and day) of a
    /// year. Returns `None` for any other text, and for a period that has no anchor.
    #[must_use]
    pub fn find(per: Period, text: &str) -> Option<Self> {
        match per {
            Period::Week => {
                let found =
                    WEEKDAYS.iter().zip(1..).find(|(name, _)| name.eq_ignore_ascii_case(text));
                found.map(|(_, day)| Self(if day == 1 { Day::First } else { Day::OfWeek(day) }))
            }
            Period::Month => {
                let day = number(text, 31)?;
                Some(Self(if day == 1 { Day::First } else { Day::OfMonth(day) }))
            }
            Period::Year => {
                let (month, day) = text.split_once('-')?;
                let month = number(month, 12)?;
                let day = number(day, *MONTH_DAYS.get(usize::from(month) - 1)?)?;
                let first = (month, day) == (1, 1);
                Some(Self(if first { Day::First } else { Day::OfYear(month, day) }))
            }
            Period::Minute | Period::Hour | Period::Day => None,
        }
    }

    /// Parses a day of `per`, as [`Self::find`] does.
    ///
    /// # Errors
    /// [`BadAnchor`] if `text` is not a day of `per`.
    pub fn parse(per: Period, text: &str) -> Result<Self, BadAnchor> {
        Self::find(per, text).ok_or_else(|| {
            let expected = match per {
                Period::Week => "a day of the week such as friday",
                Period::Month => "a day of the month from 1 to 31",
                Period::Year => "a month and a day such as 04-06",
                Period::Minute | Period::Hour | Period::Day => {
                    "no anchor, which only a week, month or year has"
                }
            };
            BadAnchor { expected, found: text.chars().take(64).collect() }
        })
    }

    /// Returns true if this is the default day of every period.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.0 == Day::First
    }

    /// Returns true if this can be an anchor of `per`.
    #[must_use]
    pub fn fits(self, per: Period) -> bool {
        match self.0 {
            Day::First => true,
            Day::OfWeek(_) => per == Period::Week,
            Day::OfMonth(_) => per == Period::Month,
            Day::OfYear(..) => per == Period::Year,
        }
    }

    /// Returns the first day of a week, from 1 for Monday to 7 for Sunday.
    #[must_use]
    pub const fn weekday(self) -> u8 {
        if let Day::OfWeek(day) = self.0 { day } else { 1 }
    }

    /// Returns the first day of a month, 1..=31.
    #[must_use]
    pub const fn month_day(self) -> u8 {
        if let Day::OfMonth(day) = self.0 { day } else { 1 }
    }

    /// Returns the month, 1..=12, and the day, 1..=31, on which a year begins.
    #[must_use]
    pub const fn year_day(self) -> (u8, u8) {
        if let Day::OfYear(month, day) = self.0 { (month, day) } else { (1, 1) }
    }

    /// Returns a number that differs for each anchor of a period; 0 for the default day.
    #[must_use]
    pub fn number(self) -> u64 {
        match self.0 {
            Day::First => 0,
            Day::OfWeek(day) | Day::OfMonth(day) => day.into(),
            Day::OfYear(month, day) => u64::from(month) * 100 + u64::from(day),
        }
    }
}

/// Parses 1 or 2 digits, from 1 to `most`.
fn number(text: &str, most: u8) -> Option<u8> {
    let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let number = is_short.then(|| text.parse().ok())??;
    (1..=most).contains(&number).then_some(number)
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Day::First => f.write_str("first"),
            Day::OfWeek(day) => {
                f.write_str(WEEKDAYS.get(usize::from(day) - 1).copied().unwrap_or_default())
            }
            Day::OfMonth(day) => day.fmt(f),
            Day::OfYear(month, day) => write!(f, "{month:02}-{day:02}"),
        }
    }
}

impl Serialize for Anchor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Day::OfMonth(day) => serializer.serialize_u8(day),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Anchor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Anchor;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a day of the week, a day of the month, or a month and a day")
            }

            fn visit_u64<E: serde::de::Error>(self, day: u64) -> Result<Anchor, E> {
                self.visit_str(&day.to_string())
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Anchor, E> {
                let pers = [Period::Week, Period::Month, Period::Year];
                let found = pers.into_iter().find_map(|per| Anchor::find(per, text));
                let bad = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                found.or_else(|| (text == "first").then(Anchor::default)).ok_or_else(bad)
            }
        }
        deserializer.deserialize_any(Text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_period_has_its_own_days() {
        for (per, text, expected) in [
            (Period::Week, "monday", Some("first")),
            (Period::Week, "Friday", Some("friday")),
            (Period::Week, "5", None),
            (Period::Month, "1", Some("first")),
            (Period::Month, "31", Some("31")),
            (Period::Month, "01", Some("first")),
            (Period::Month, "0", None),
            (Period::Month, "32", None),
            (Period::Month, "+1", None),
            (Period::Month, "015", None),
            (Period::Year, "01-01", Some("first")),
            (Period::Year, "4-6", Some("04-06")),
            (Period::Year, "02-29", Some("02-29")),
            (Period::Year, "02-30", None),
            (Period::Year, "13-01", None),
            (Period::Year, "00-01", None),
            (Period::Day, "1", None),
        ] {
            let found = Anchor::find(per, text).map(|anchor| anchor.to_string());
            assert_eq!(found.as_deref(), expected, "{per:?} {text:?}");
        }
        assert_eq!(
            Anchor::parse(Period::Month, "32").unwrap_err().to_string(),
            "expected a day of the month from 1 to 31, found \"32\""
        );
    }

    #[test]
    fn an_anchor_survives_its_json_form() {
        let check = |per, text: &str, json: &str| {
            let anchor = Anchor::find(per, text).unwrap();
            assert_eq!(serde_json::to_string(&anchor).unwrap(), json);
            assert_eq!(serde_json::from_str::<Anchor>(json).unwrap(), anchor);
            assert!(anchor.fits(per));
        };
        check(Period::Week, "sunday", "\"sunday\"");
        check(Period::Month, "31", "31");
        check(Period::Year, "12-31", "\"12-31\"");
        assert!(serde_json::from_str::<Anchor>("\"someday\"").is_err());
        assert!(!Anchor::find(Period::Month, "7").unwrap().fits(Period::Week));
    }
}
