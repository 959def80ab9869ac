//! The buckets of a policy, and their checks.

use super::document::{self, Outcome};
use super::keys::{self, Source};
use super::mistakes::Mistakes;
use super::on_failure::OnFailure;
use crate::counter::is_bucket_name;
use crate::duration::Duration;
use crate::quota::{Limit, Period, TimeZone, TokenBucket, WindowMs};
use std::collections::BTreeMap;

/// A named limit or quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket's name, used in headers, logs and counters.
    pub name: String,
    /// The name of its key.
    pub key: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The limit.
    pub limit: LimitChoice,
    /// The behavior when the ledger cannot answer.
    pub on_failure: OnFailure,
    /// Outcomes for which the charge is given back.
    pub refund: Vec<Refund>,
    /// False for a shadow bucket, which is counted and reported but never refuses a request.
    pub enforce: bool,
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
        time_zone: TimeZone,
    },
    /// A steady rate; the limit is the burst.
    TokenBucket(TokenBucket),
}

/// A bucket's limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitChoice {
    /// The same limit for every request.
    Fixed(Limit),
    /// A limit looked up by a value of the request.
    By {
        /// The source of the value.
        source: Source,
        /// The values and their limits.
        values: BTreeMap<String, Limit>,
        /// The limit if the value is missing or not listed.
        otherwise: Limit,
    },
}

/// An outcome for which a charge is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refund {
    /// 2xx and 3xx.
    Success,
    /// 4xx.
    ClientError,
    /// 5xx, including an upstream that failed.
    ServerError,
    /// A response from a cache, marked by `X-Cache: HIT`.
    CacheHit,
    /// This status, 100..=599.
    Status(u16),
}

impl std::fmt::Display for Refund {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::ClientError => f.write_str("client_error"),
            Self::ServerError => f.write_str("server_error"),
            Self::CacheHit => f.write_str("cache_hit"),
            Self::Status(status) => status.fmt(f),
        }
    }
}

impl From<document::Refund> for Refund {
    fn from(document: document::Refund) -> Self {
        match document {
            document::Refund::Outcome(Outcome::Success) => Self::Success,
            document::Refund::Outcome(Outcome::ClientError) => Self::ClientError,
            document::Refund::Outcome(Outcome::ServerError) => Self::ServerError,
            document::Refund::Outcome(Outcome::CacheHit) => Self::CacheHit,
            document::Refund::Status(status) => {
                Self::Status(u16::try_from(status.get()).unwrap_or(u16::MAX))
            }
        }
    }
}

/// Checks `documents` and returns their buckets.
pub(super) fn checked(
    documents: BTreeMap<String, Option<document::Bucket>>,
    keys: &BTreeMap<String, Option<document::Key>>,
    mistakes: &mut Mistakes,
) -> Vec<Bucket> {
    let mut buckets = Vec::with_capacity(documents.len());
    for (name, document) in documents {
        let place = format!("buckets.{name}");
        if !is_bucket_name(&name) {
            mistakes.add(
                &place,
                "expected a name of at most 64 letters, digits, _ or -, starting with a letter",
            );
        }
        let Some(document) = document else { continue };
        if !keys.contains_key(&document.key) {
            mistakes.unknown(format!("{place}.key"), "key", &document.key, keys.keys());
        }
        let Some((algorithm, limit)) = counting(&document, &place, mistakes) else { continue };
        buckets.push(Bucket {
            name,
            key: document.key,
            algorithm,
            limit,
            on_failure: document.on_failure,
            refund: document.refund.into_iter().map(Refund::from).collect(),
            enforce: document.enforce,
        });
    }
    buckets
}

/// Returns the algorithm and the limit that a bucket's fields describe.
fn counting(
    document: &document::Bucket,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<(Algorithm, LimitChoice)> {
    let found = match (document.window, document.per, document.rate) {
        (Some(window), None, None) => Some((sliding(window), limit(document, place, mistakes)?)),
        (None, Some(per), None) => {
            let time_zone = zone(document.time_zone.as_deref(), place, mistakes);
            Some((Algorithm::FixedWindow { per, time_zone }, limit(document, place, mistakes)?))
        }
        (None, None, Some(_)) => token_bucket(document, place, mistakes),
        _ => {
            mistakes.add(
                place,
                "expected one of window (sliding), per (calendar), rate (token bucket)",
            );
            None
        }
    }?;
    stray_fields(document, &found.0, place, mistakes);
    Some(found)
}

fn zone(name: Option<&str>, place: &str, mistakes: &mut Mistakes) -> TimeZone {
    name.map_or(Ok(TimeZone::UTC), TimeZone::named).unwrap_or_else(|error| {
        mistakes.add(format!("{place}.time_zone"), error.to_string());
        TimeZone::UTC
    })
}

fn sliding(window: Duration) -> Algorithm {
    Algorithm::SlidingWindow { window_ms: WindowMs::clamped(window.as_ms()) }
}

fn limit(document: &document::Bucket, place: &str, mistakes: &mut Mistakes) -> Option<LimitChoice> {
    match &document.limit {
        Some(document::Limit::Fixed(limit)) => Some(LimitChoice::Fixed(*limit)),
        Some(document::Limit::Chosen(chosen)) => {
            let place = format!("{place}.limit.by");
            let sources = keys::sources(&chosen.by.request(), &place, mistakes)?;
            let Ok([source]) = <[Source; 1]>::try_from(sources) else {
                mistakes.add(
                    place,
                    "expected one of jwt_claim, header, host, route_name, route_metadata",
                );
                return None;
            };
            Some(LimitChoice::By {
                source,
                values: chosen.values.clone(),
                otherwise: chosen.otherwise,
            })
        }
        None => {
            mistakes.add(place, "missing field `limit`");
            None
        }
    }
}

fn token_bucket(
    document: &document::Bucket,
    place: &str,
    mistakes: &mut Mistakes,
) -> Option<(Algorithm, LimitChoice)> {
    let (Some(rate), Some(every), Some(burst)) = (document.rate, document.every, document.burst)
    else {
        mistakes.add(place, "a token bucket needs rate, every and burst");
        return None;
    };
    if document.limit.is_some() {
        mistakes.add(format!("{place}.limit"), "a token bucket's limit is its burst: remove this");
    }
    let Ok(bucket) = TokenBucket::new(rate, WindowMs::clamped(every.as_ms()), burst) else {
        mistakes.add(
            format!("{place}.burst"),
            "burst × every (in ms) must be at most 2^53: reduce one of them",
        );
        return None;
    };
    Some((Algorithm::TokenBucket(bucket), LimitChoice::Fixed(burst)))
}

/// Reports fields that belong to another algorithm. They would have no effect.
fn stray_fields(
    document: &document::Bucket,
    algorithm: &Algorithm,
    place: &str,
    mistakes: &mut Mistakes,
) {
    let calendar = matches!(algorithm, Algorithm::FixedWindow { .. });
    let tokens = matches!(algorithm, Algorithm::TokenBucket(_));
    for (field, stray, owner) in [
        ("time_zone", document.time_zone.is_some() && !calendar, "per"),
        ("every", document.every.is_some() && !tokens, "rate"),
        ("burst", document.burst.is_some() && !tokens, "rate"),
    ] {
        if stray {
            mistakes
                .add(format!("{place}.{field}"), format!("only valid with `{owner}`: remove this"));
        }
    }
}
