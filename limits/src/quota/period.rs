//! The calendar's periods.

use serde::{Deserialize, Serialize};

/// A calendar period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One minute, starting at second 0.
    Minute,
    /// One hour, starting at minute 0.
    Hour,
    /// Midnight to midnight.
    Day,
    /// Monday to Sunday, or from another day of the week.
    Week,
    /// The first of a month to the first of the next, or from another day of the month.
    Month,
    /// 1 January to 31 December, or from another day of the year.
    Year,
}

impl Period {
    /// Returns the period's name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Returns the period's usual length in ms, with 30 days to a month and 365 to a year. Use it in
    /// headers, not in arithmetic.
    #[must_use]
    pub const fn nominal_ms(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Week => 7 * 86_400_000,
            Self::Month => 30 * 86_400_000,
            Self::Year => 365 * 86_400_000,
        }
    }

    /// Returns the period's maximum length in ms, including clock changes.
    #[must_use]
    pub const fn longest_ms(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 2 * 3_600_000,
            Self::Day => 27 * 3_600_000,
            Self::Week => 7 * 86_400_000 + 3 * 3_600_000,
            Self::Month => 31 * 86_400_000 + 3 * 3_600_000,
            Self::Year => 366 * 86_400_000 + 3 * 3_600_000,
        }
    }
}
