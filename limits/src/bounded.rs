//! Whole numbers with a range, checked once at parse time.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// The largest whole number that Lua, JSON and Rust all hold exactly: 2^53.
pub const MAX_SAFE: u64 = 1 << 53;

/// A whole number from `MIN` to `MAX`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounded<const MIN: u64, const MAX: u64>(u64);

/// A number outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number from {min} to {max}, found {found}")]
pub struct OutOfRange {
    /// The smallest value allowed.
    pub min: u64,
    /// The largest value allowed.
    pub max: u64,
    /// The value given.
    pub found: u64,
}

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// Creates the number if `value` is in range.
    ///
    /// # Errors
    /// [`OutOfRange`] if `value` is below `MIN` or above `MAX`.
    pub const fn new(value: u64) -> Result<Self, OutOfRange> {
        if value < MIN || value > MAX {
            return Err(OutOfRange { min: MIN, max: MAX, found: value });
        }
        Ok(Self(value))
    }

    /// Returns `value`, or the nearest bound if it is out of range.
    #[must_use]
    pub const fn clamped(value: u64) -> Self {
        if value < MIN {
            Self(MIN)
        } else if value > MAX {
            Self(MAX)
        } else {
            Self(value)
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Bounded<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Bounded<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whole::<MIN, MAX>)
    }
}

#[cfg(feature = "schema")]
impl<const MIN: u64, const MAX: u64> schemars::JsonSchema for Bounded<MIN, MAX> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Whole_{MIN}_to_{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

struct Whole<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> de::Visitor<'_> for Whole<MIN, MAX> {
    type Value = Bounded<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Bounded::new(value).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        u64::try_from(value)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
            .and_then(|value| self.visit_u64(value))
    }

    /// Accepts whole floats: `google.protobuf.Struct` only has doubles, so 5 arrives as 5.0.
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "2^53 is exact as a double")]
        let in_range = value.fract() == 0.0 && value >= 0.0 && value <= MAX_SAFE as f64;
        if !in_range {
            return Err(E::invalid_value(de::Unexpected::Float(value), &self));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 2^53, just checked"
        )]
        self.visit_u64(value as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let found = match serde_json::from_str::<Bounded<1, 100>>(json) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{json}");
    }

    #[test]
    fn accepts_only_whole_numbers_in_range() {
        check("1", "1");
        check("100", "100");
        check("5.0", "5");
        check(
            "0",
            "invalid value: integer `0`, expected a whole number from 1 to 100 at line 1 column 1",
        );
        check(
            "101",
            "invalid value: integer `101`, expected a whole number from 1 to 100 at line 1 column 3",
        );
        check(
            "-3",
            "invalid value: integer `-3`, expected a whole number from 1 to 100 at line 1 column 2",
        );
        check(
            "1.5",
            "invalid value: floating point `1.5`, expected a whole number from 1 to 100 at line 1 column 3",
        );
        check(
            "1e300",
            "invalid value: floating point `1e+300`, expected a whole number from 1 to 100 at line 1 column 5",
        );
        check(
            "\"5\"",
            "invalid type: string \"5\", expected a whole number from 1 to 100 at line 1 column 3",
        );
    }
}
