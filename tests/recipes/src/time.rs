//! Durations and times, as recipes write them.

use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Reads a duration such as `500ms`, `10s`, `2m`, `1h` or `40d`.
///
/// # Errors
/// Fails if the text has another form.
pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let expected = || {
        serde::de::Error::custom(format!("expected a duration such as 500ms or 2m, found {text:?}"))
    };
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    let unit_ms = match text.strip_prefix(digits) {
        Some("ms") => 1,
        Some("s") => 1_000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        Some("d") => 86_400_000,
        _ => return Err(expected()),
    };
    let count: u64 = digits.parse().map_err(|_| expected())?;
    Ok(Some(Duration::from_millis(count * unit_ms)))
}

/// Reads a time such as `2027-01-31T23:59:00Z`, in Unix milliseconds.
///
/// # Errors
/// Fails if the text has another form.
pub(crate) fn time_ms<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    let time: jiff::Timestamp = text.parse().map_err(|error| {
        serde::de::Error::custom(format!(
            "expected a time such as 2027-01-31T23:59:00Z, found {text:?}: {error}"
        ))
    })?;
    u64::try_from(time.as_millisecond()).map_err(serde::de::Error::custom)
}
