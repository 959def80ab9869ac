//! The algorithms of buckets and of their tiers, and their checks.

use super::amount::{self, Amount, Use};
use super::calendar::{self, Choice};
use super::document::{self, CountingFields};
use super::mistakes::Mistakes;
use super::sources::{self, Source};
use crate::bounded::MAX_SAFE;
use crate::duration::Duration;
use crate::quota::{Anchor, MAX_BALANCE, Period, TimeZone, TokenBucket, WindowMs};
use std::collections::BTreeMap;

/// The way in which a bucket counts: an algorithm and its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The limit.
    pub limit: Amount,
    /// The last part of the counter's name, if it counts in another way than the bucket does.
    pub variant: Option<String>,
}

/// A bucket's algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Algorithm {
    /// At most the limit in every interval of this length.
    SlidingWindow {
        /// The window's length.
        window_ms: WindowMs,
    },
    /// At most the limit in each calendar period.
    FixedWindow {
        /// The period.
        per: Period,
        /// The time zone.
        time_zone: Choice<TimeZone>,
        /// The day on which the period begins.
        anchor: Choice<Anchor>,
    },
    /// A steady rate; the limit is the burst.
    TokenBucket(TokenBucket),
    /// A prepaid amount that never resets; the limit is the amount that everyone starts with.
    Balance,
}

/// Requests that a bucket counts in another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers {
    /// The source of the value that selects a tier.
    pub source: Source,
    /// The tier for each value.
    pub values: BTreeMap<String, Counting>,
}

impl Algorithm {
    /// Returns the last part of the name of a tier's counter; `None` if the tier can share the
    /// bucket's counter.
    ///
    /// The ledger forgets a counter that is charged by another algorithm, and the charges that no
    /// longer count in a shorter window. So tiers share a counter only if they count alike:
    /// otherwise, a client with tokens of two tiers could reset its count at will.
    fn variant(&self, of_bucket: &Self) -> Option<String> {
        let name = self.name();
        (name != of_bucket.name()).then_some(name)
    }

    fn name(&self) -> String {
        match self {
            Self::SlidingWindow { window_ms } => format!("sliding.{window_ms}"),
            Self::FixedWindow { per, time_zone, anchor } => {
                let mut name = per.name().to_owned();
                match time_zone {
                    Choice::Fixed(zone) => name += &format!(".{}", zone.name().replace('/', ".")),
                    Choice::From { .. } => name += ".any",
                }
                match anchor {
                    Choice::Fixed(anchor) if anchor.is_first() => {}
                    Choice::Fixed(anchor) => name += &format!(".{anchor}"),
                    Choice::From { .. } => name += ".any",
                }
                name
            }
            // The ledger converts the tokens of one bucket to those of another.
            Self::TokenBucket(_) => "tokens".to_owned(),
            Self::Balance => "balance".to_owned(),
        }
    }
}

/// Checks the fields by which the bucket or tier at `place` counts.
pub(super) fn checked(
    fields: CountingFields<'_>,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Counting> {
    let found = match (fields.window, fields.per, fields.rate, fields.balance) {
        (Some(window), None, None, None) => {
            Some((sliding(window), limit(fields, place, mistakes)?))
        }
        (None, Some(per), None, None) => {
            let time_zone = calendar::time_zone(fields, place, mistakes);
            let anchor = calendar::anchor(fields, per, place, mistakes);
            let limit = limit(fields, place, mistakes);
            let calendar = Algorithm::FixedWindow { per, time_zone: time_zone?, anchor: anchor? };
            Some((calendar, limit?))
        }
        (None, None, Some(_), None) => token_bucket(fields, place, mistakes),
        (None, None, None, Some(start)) => balance(fields, start, place, mistakes),
        _ => {
            let found = [
                fields.window.is_some(),
                fields.per.is_some(),
                fields.rate.is_some(),
                fields.balance.is_some(),
            ];
            let count = found.iter().filter(|is_set| **is_set).count();
            let selectors = fields.selectors;
            mistakes.add(place, format!("expected one of {selectors}; found {count} of them"));
            None
        }
    };
    let (algorithm, limit) = found?;
    stray_fields(fields, &algorithm, place, mistakes);
    Some(Counting { algorithm, limit, variant: None })
}

/// Checks the tiers of the bucket at `place`, which itself counts as in `of_bucket`.
pub(super) fn tiers(
    document: &document::Tiers,
    of_bucket: Option<&Counting>,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<Tiers> {
    let source = sources::checked(&document.by.0, &format!("{place}.by"), mistakes);
    let mut values = BTreeMap::new();
    for (value, tier) in &document.values {
        let found = checked(tier.counting(), &format!("{place}.values.{value}"), mistakes);
        if let (Some(mut tier), Some(of_bucket)) = (found, of_bucket) {
            tier.variant = tier.algorithm.variant(&of_bucket.algorithm);
            values.insert(value.clone(), tier);
        }
    }
    Some(Tiers { source: source?, values })
}

fn sliding(window: Duration) -> Algorithm {
    Algorithm::SlidingWindow { window_ms: WindowMs::clamped(window.as_ms()) }
}

fn limit(fields: CountingFields<'_>, place: &str, mistakes: &mut Mistakes) -> Option<Amount> {
    match fields.limit {
        Some(limit) => amount::checked(limit, &format!("{place}.limit"), Use::Limit, mistakes),
        None => {
            mistakes.add(place, "missing field `limit`");
            None
        }
    }
}

fn balance(
    fields: CountingFields<'_>,
    start: &document::Amount,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<(Algorithm, Amount)> {
    if fields.limit.is_some() {
        mistakes.add(
            format!("{place}.limit"),
            "a balance has no limit except what is left of it: remove this",
        );
    }
    let place = format!("{place}.balance");
    let start = amount::checked(start, &place, Use::Limit, mistakes)?;
    match start.largest() {
        0..=MAX_BALANCE => {}
        MAX_SAFE => {
            mistakes.add(
                place,
                format!("a balance has an end: expected at most {MAX_BALANCE}, found unlimited"),
            );
        }
        found => mistakes.add(place, format!("expected at most {MAX_BALANCE}, found {found}")),
    }
    Some((Algorithm::Balance, start))
}

fn token_bucket(
    fields: CountingFields<'_>,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<(Algorithm, Amount)> {
    let (Some(rate), Some(every), Some(burst)) = (fields.rate, fields.every, fields.burst) else {
        mistakes.add(place, "a token bucket needs rate, every and burst");
        return None;
    };
    if fields.limit.is_some() {
        mistakes.add(format!("{place}.limit"), "a token bucket's limit is its burst: remove this");
    }
    let Ok(bucket) = TokenBucket::new(rate, WindowMs::clamped(every.as_ms()), burst) else {
        mistakes.add(
            format!("{place}.burst"),
            "burst × every (in ms) must be at most 2^53: reduce one of them",
        );
        return None;
    };
    Some((Algorithm::TokenBucket(bucket), Amount::Fixed(amount::Number::clamped(burst.get()))))
}

/// Reports fields that belong to another algorithm. They would have no effect.
fn stray_fields(
    fields: CountingFields<'_>,
    algorithm: &Algorithm,
    place: &str,
    mistakes: &mut Mistakes,
) {
    let calendar = matches!(algorithm, Algorithm::FixedWindow { .. });
    let tokens = matches!(algorithm, Algorithm::TokenBucket(_));
    for (field, stray, owner) in [
        ("time_zone", fields.time_zone.is_some() && !calendar, "per"),
        ("anchor", fields.anchor.is_some() && !calendar, "per"),
        ("every", fields.every.is_some() && !tokens, "rate"),
        ("burst", fields.burst.is_some() && !tokens, "rate"),
    ] {
        if stray {
            mistakes
                .add(format!("{place}.{field}"), format!("only valid with `{owner}`: remove this"));
        }
    }
}
