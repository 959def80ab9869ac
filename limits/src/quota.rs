//! What may be charged in how much time: the arithmetic's parameters.

use crate::bounded::{Bounded, MAX_SAFE};
use serde::{Deserialize, Serialize};

/// The longest window: 366 days, in milliseconds.
pub const MAX_WINDOW_MS: u64 = 366 * 86_400_000;

/// How much may be charged, 1..=2^53.
pub type Limit = Bounded<1, MAX_SAFE>;
/// A length of time, 1 ms to 366 days.
pub type WindowMs = Bounded<1, MAX_WINDOW_MS>;

/// A limit or quota, and the algorithm that counts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// In every interval of the window's length, the admitted cost is at most the limit.
    SlidingWindow(SlidingWindow),
    /// A quota that resets on the calendar.
    FixedWindow(FixedWindow),
    /// Smoothing: a steady rate, with room for a burst.
    TokenBucket(TokenBucket),
}

/// Parameters of [`Quota::SlidingWindow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlidingWindow {
    /// The cost admitted in any window.
    pub limit: Limit,
    /// The window's length.
    pub window_ms: WindowMs,
}

/// Parameters of [`Quota::FixedWindow`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedWindow {
    /// The cost admitted in one period.
    pub limit: Limit,
    /// The calendar's period.
    pub per: Period,
    /// The IANA time zone whose calendar it is; `UTC` unless said.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub time_zone: String,
}

/// A period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From second 0 to the next minute.
    Minute,
    /// From minute 0 to the next hour.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of the month to the next first.
    Month,
}

/// Parameters of [`Quota::TokenBucket`]: `rate` tokens every `per_ms`, at most `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenBucket {
    /// Tokens that flow in every `per_ms`.
    pub rate: Limit,
    /// The time in which `rate` tokens flow in.
    pub per_ms: WindowMs,
    /// Tokens a full bucket holds; `burst × per_ms` is at most 2^53.
    pub burst: Limit,
}

impl Quota {
    /// The most that can be charged at once: a cost above it can never be admitted.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self {
            Self::SlidingWindow(quota) => quota.limit.get(),
            Self::FixedWindow(quota) => quota.limit.get(),
            Self::TokenBucket(quota) => quota.burst.get(),
        }
    }
}

impl Period {
    /// As policies say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period's usual length, in ms (a month counts 30 days): for headers, never for arithmetic.
    #[must_use]
    pub const fn nominal_ms(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Month => 30 * 86_400_000,
        }
    }

    /// The longest that the period can be, in ms: a day on which clocks go back is longer.
    #[must_use]
    pub const fn longest_ms(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 2 * 3_600_000,
            Self::Day => 27 * 3_600_000,
            Self::Month => 31 * 86_400_000 + 3 * 3_600_000,
        }
    }
}

/// The default time zone.
#[must_use]
pub fn utc() -> String {
    "UTC".to_owned()
}

fn is_utc(time_zone: &str) -> bool {
    time_zone == "UTC"
}
