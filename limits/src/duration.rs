//! Durations as written in a policy: `500ms`, `30s`, `1m`, `24h`, `7d`.

use crate::quota::{MAX_WINDOW_MS, WindowMs};
use serde::{Deserialize, Deserializer, de};

/// A duration from 1 ms to 366 days, written as a whole number and a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration {
    ms: u64,
}

/// A malformed or out-of-range [`Duration`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration from 1ms to 366d, such as 500ms, 30s, 1m, 24h or 7d, found {0:?}")]
pub(crate) struct BadDuration(String);

impl Duration {
    /// Creates a duration of `ms` milliseconds, clamped to the valid range.
    #[must_use]
    pub(crate) const fn from_ms(ms: u64) -> Self {
        Self { ms: WindowMs::clamped(ms).get() }
    }

    /// Returns the duration in milliseconds.
    #[must_use]
    pub(crate) const fn as_ms(self) -> u64 {
        self.ms
    }
}

impl std::str::FromStr for Duration {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_ms(text)
            .filter(|ms| (1..=MAX_WINDOW_MS).contains(ms))
            .map(|ms| Self { ms })
            .ok_or_else(|| BadDuration(text.chars().take(64).collect()))
    }
}

fn parse_ms(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a duration such as 500ms, 30s, 1m, 24h or 7d")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A whole number and a unit, 1ms to 366d: 500ms, 30s, 1m, 24h, 7d.",
            "pattern": "^[0-9]+(ms|s|m|h|d)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected_ms: Option<u64>) {
        assert_eq!(text.parse::<Duration>().ok().map(Duration::as_ms), expected_ms, "{text}");
    }

    #[test]
    fn a_number_with_a_unit_is_accepted() {
        check("1ms", Some(1));
        check("50ms", Some(50));
        check("30s", Some(30_000));
        check("1m", Some(60_000));
        check("24h", Some(86_400_000));
        check("366d", Some(MAX_WINDOW_MS));
    }

    #[test]
    fn anything_else_is_refused() {
        let bad = [
            "",
            "1",
            "m",
            "0s",
            "-1s",
            "1.5s",
            "1 m",
            "1M",
            "1min",
            "367d",
            "9999999999999999999d",
        ];
        for text in bad {
            check(text, None);
        }
        check("1mé", None);
    }
}
