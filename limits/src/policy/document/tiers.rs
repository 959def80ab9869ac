//! A bucket's tiers as written.

use super::amount::Amount;
use super::calendar::{Day, Setting};
use super::mapping::Mapping;
use super::source::Source;
use crate::duration::Duration;
use crate::quota::{self, Period};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Tiers: requests that a bucket counts in another way. Requests of no tier are counted as the
/// bucket's own fields say.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Tiers {
    /// The source of the value that selects a tier.
    pub(in crate::policy) by: Mapping<Source>,
    /// The tier for each value.
    pub(in crate::policy) values: BTreeMap<String, Mapping<Tier>>,
}

/// A tier. Exactly one of `window`, `per` and `rate` selects the algorithm.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Tier {
    /// The limit, with `window` or `per`.
    pub(in crate::policy) limit: Option<Amount>,
    /// Sliding window: at most `limit` in every interval of this length.
    pub(in crate::policy) window: Option<Duration>,
    /// Calendar quota: at most `limit` in each period.
    pub(in crate::policy) per: Option<Period>,
    /// The IANA time zone of the calendar, with `per`. Defaults to UTC.
    pub(in crate::policy) time_zone: Option<Setting<String>>,
    /// The day on which the period begins, with `per`.
    pub(in crate::policy) anchor: Option<Setting<Day>>,
    /// Token bucket: the number of tokens that flow in per `every`.
    pub(in crate::policy) rate: Option<quota::Limit>,
    /// The time in which `rate` tokens flow in.
    pub(in crate::policy) every: Option<Duration>,
    /// The most tokens that can be spent at once, with `rate`.
    pub(in crate::policy) burst: Option<quota::Limit>,
}

/// The fields by which a bucket or a tier counts.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct CountingFields<'a> {
    pub(in crate::policy) limit: Option<&'a Amount>,
    pub(in crate::policy) window: Option<Duration>,
    pub(in crate::policy) per: Option<Period>,
    pub(in crate::policy) time_zone: Option<&'a Setting<String>>,
    pub(in crate::policy) anchor: Option<&'a Setting<Day>>,
    pub(in crate::policy) rate: Option<quota::Limit>,
    pub(in crate::policy) every: Option<Duration>,
    pub(in crate::policy) burst: Option<quota::Limit>,
    pub(in crate::policy) balance: Option<&'a Amount>,
    /// The fields that select the algorithm, for messages.
    pub(in crate::policy) selectors: &'static str,
}

impl Tier {
    pub(in crate::policy) fn counting(&self) -> CountingFields<'_> {
        CountingFields {
            limit: self.limit.as_ref(),
            window: self.window,
            per: self.per,
            time_zone: self.time_zone.as_ref(),
            anchor: self.anchor.as_ref(),
            rate: self.rate,
            every: self.every,
            burst: self.burst,
            balance: None,
            selectors: "window (sliding), per (calendar), rate (token bucket)",
        }
    }
}
