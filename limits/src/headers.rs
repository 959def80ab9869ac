//! Rate limit response headers: `RateLimit`, `RateLimit-Policy`, `X-RateLimit-*`, `Retry-After`.
//!
//! Called by [`crate::gate`]. The only module that knows the draft's grammar.

use crate::bounded::MAX_SAFE;
use crate::quota::Quota;
use crate::wire::ChargeOutcome;
use serde::Deserialize;
use std::collections::BTreeSet;

/// A set of response headers that follow one convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// `RateLimit` and `RateLimit-Policy`, which list each bucket.
    Ratelimit,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, for the bucket with the least left.
    XRatelimit,
}

impl Family {
    /// Returns all families, the default of a policy.
    #[must_use]
    pub fn all() -> BTreeSet<Self> {
        BTreeSet::from([Self::Ratelimit, Self::XRatelimit])
    }
}

/// One bucket's state, as reported to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BucketState<'a> {
    /// The bucket's name. Consists of letters, digits, `_` and `-`, so it needs no escaping.
    pub bucket: &'a str,
    /// The bucket's quota.
    pub quota: &'a Quota,
    /// The cost charged.
    pub cost: u64,
    /// The outcome of its charge.
    pub outcome: &'a ChargeOutcome,
}

impl BucketState<'_> {
    /// Returns true if the policy does not limit the bucket, and no override does.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.quota.is_unlimited() && self.outcome.limit == MAX_SAFE
    }
}

/// Renders the headers of `families` for the charged buckets; empty without any buckets. Leaves out
/// those that the policy does not limit.
///
/// # Source
/// draft-ietf-httpapi-ratelimit-headers-11 for `RateLimit` and `RateLimit-Policy` (structured field
/// lists, RFC 9651). `X-RateLimit-*` are de-facto fields; they describe the bucket with the least
/// left.
#[must_use]
pub(crate) fn of(
    states: &[BucketState<'_>],
    families: &BTreeSet<Family>,
) -> Vec<(&'static str, String)> {
    let limited = || states.iter().filter(|state| !state.is_unlimited());
    let Some(least) = limited().min_by_key(|state| state.outcome.remaining) else {
        return Vec::new();
    };
    let mut headers = Vec::with_capacity(if families.is_empty() { 0 } else { 6 });
    if families.contains(&Family::XRatelimit) {
        headers.extend([
            ("x-ratelimit-limit", digits(least.outcome.limit)),
            ("x-ratelimit-remaining", digits(least.outcome.remaining)),
        ]);
        if !matches!(least.quota, Quota::Balance(_)) {
            headers.push(("x-ratelimit-reset", digits(seconds(least.outcome.reset_ms))));
        }
    }
    if families.contains(&Family::Ratelimit) {
        headers.extend([
            ("ratelimit-policy", list(limited(), policy_item)),
            ("ratelimit", list(limited(), state_item)),
        ]);
    }
    headers
}

/// Converts `ms` to whole seconds, rounded up so that waiting that long is enough.
#[must_use]
pub(crate) const fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1000)
}

/// The parameters of one item.
type Item = [Option<(&'static str, u64)>; 2];

/// Renders a list of items, each a name with up to two parameters.
fn list<'s, 'b: 's>(
    states: impl Iterator<Item = &'s BucketState<'b>> + Clone,
    item: impl Fn(&BucketState<'_>) -> Item,
) -> String {
    let mut list = String::with_capacity(states.clone().count() * 64);
    for (at, state) in states.enumerate() {
        list.push_str(if at == 0 { "\"" } else { ", \"" });
        list.push_str(state.bucket);
        list.push('"');
        for (name, value) in item(state).into_iter().flatten() {
            list.push_str(name);
            push_digits(&mut list, value);
        }
    }
    list
}

fn policy_item(state: &BucketState<'_>) -> Item {
    let window_s = window_ms(state.quota).map(|ms| seconds(ms).max(1));
    [Some((";q=", state.outcome.limit)), window_s.map(|window_s| (";w=", window_s))]
}

fn state_item(state: &BucketState<'_>) -> Item {
    let resets = !matches!(state.quota, Quota::Balance(_));
    let reset_s = resets.then(|| seconds(state.outcome.reset_ms));
    [Some((";r=", state.outcome.remaining)), reset_s.map(|reset_s| (";t=", reset_s))]
}

/// Formats a number in decimal.
pub(crate) fn digits(number: u64) -> String {
    itoa::Buffer::new().format(number).to_owned()
}

/// Appends a number in decimal to `text`.
pub(crate) fn push_digits(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Returns the time in which a quota's limit can be spent; for a token bucket, the time it takes to
/// fill. `None` for a balance, which time does not refill.
fn window_ms(quota: &Quota) -> Option<u64> {
    Some(match quota {
        Quota::SlidingWindow(quota) => quota.window_ms.get(),
        Quota::FixedWindow(quota) => quota.per.nominal_ms(),
        Quota::TokenBucket(bucket) => bucket.capacity().div_ceil(bucket.rate()),
        Quota::Balance(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::{
        Anchor, Balance, FixedWindow, Limit, Period, SlidingWindow, Start, TimeZone, TokenBucket,
        WindowMs,
    };

    fn sliding(limit: u64, window_ms: u64) -> Quota {
        let (limit, window_ms) = (Limit::clamped(limit), WindowMs::clamped(window_ms));
        Quota::SlidingWindow(SlidingWindow { limit, window_ms })
    }

    fn outcome(limit: u64, remaining: u64, reset_ms: u64) -> ChargeOutcome {
        ChargeOutcome {
            admitted: true,
            limit,
            remaining,
            reset_ms,
            retry_after_ms: 0,
            lease: None,
            blocked: false,
        }
    }

    fn shown(states: &[BucketState<'_>]) -> String {
        let headers = of(states, &Family::all());
        headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }

    #[test]
    fn an_uncharged_request_gets_no_headers() {
        assert_eq!(of(&[], &Family::all()), []);
    }

    #[test]
    fn only_the_requested_families_are_rendered() {
        let quota = sliding(10, 60_000);
        let states =
            [BucketState { bucket: "a", quota: &quota, cost: 1, outcome: &outcome(10, 9, 60_000) }];
        let names = |families: &[Family]| -> Vec<&str> {
            let families = families.iter().copied().collect();
            of(&states, &families).iter().map(|(name, _)| *name).collect()
        };
        assert_eq!(names(&[]), [""; 0]);
        assert_eq!(names(&[Family::Ratelimit]), ["ratelimit-policy", "ratelimit"]);
        assert_eq!(
            names(&[Family::XRatelimit]),
            ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
        );
    }

    #[test]
    fn x_ratelimit_describes_the_bucket_with_the_least_left() {
        let (limit, time_zone) = (Limit::clamped(50), TimeZone::UTC);
        let day = FixedWindow { limit, per: Period::Day, time_zone, anchor: Anchor::default() };
        let (minute, day) = (sliding(10, 60_000), Quota::FixedWindow(day));
        let states = [
            BucketState { bucket: "ai", quota: &minute, cost: 1, outcome: &outcome(10, 0, 29_001) },
            BucketState {
                bucket: "ai_daily",
                quota: &day,
                cost: 1,
                outcome: &outcome(50, 12, 36_000_000),
            },
        ];
        insta::assert_snapshot!(shown(&states), @r#"
x-ratelimit-limit: 10
x-ratelimit-remaining: 0
x-ratelimit-reset: 30
ratelimit-policy: "ai";q=10;w=60, "ai_daily";q=50;w=86400
ratelimit: "ai";r=0;t=30, "ai_daily";r=12;t=36000
"#);
    }

    #[test]
    fn an_unlimited_bucket_is_not_shown() {
        let (quota, limited) = (sliding(MAX_SAFE, 60_000), sliding(10, 60_000));
        let (nine, free, five) =
            (outcome(10, 9, 1), outcome(MAX_SAFE, MAX_SAFE, 1), outcome(5, 4, 1));
        let state = |bucket, quota, outcome| BucketState { bucket, quota, cost: 1, outcome };
        assert_eq!(shown(&[state("a", &quota, &free)]), "");
        let both = shown(&[state("a", &quota, &free), state("b", &limited, &nine)]);
        assert!(both.contains("ratelimit: \"b\";r=9;t=1\n"), "{both}");
        let overridden = shown(&[state("a", &quota, &five)]);
        assert!(overridden.contains("ratelimit: \"a\";r=4;t=1\n"), "{overridden}");
    }

    #[test]
    fn times_are_rounded_up_and_windows_are_never_zero() {
        let (rate, burst) = (Limit::clamped(3), Limit::clamped(10));
        let rate = TokenBucket::new(rate, WindowMs::clamped(1_000), burst).unwrap();
        let (short, bucket) = (sliding(1, 10), Quota::TokenBucket(rate));
        let states = [
            BucketState { bucket: "short", quota: &short, cost: 1, outcome: &outcome(1, 0, 1) },
            BucketState {
                bucket: "smooth",
                quota: &bucket,
                cost: 1,
                outcome: &outcome(10, 9, 334),
            },
        ];
        insta::assert_snapshot!(shown(&states), @r#"
x-ratelimit-limit: 1
x-ratelimit-remaining: 0
x-ratelimit-reset: 1
ratelimit-policy: "short";q=1;w=1, "smooth";q=10;w=4
ratelimit: "short";r=0;t=1, "smooth";r=9;t=1
"#);
    }
    #[test]
    fn a_balance_has_no_window_and_no_reset() {
        let quota = Quota::Balance(Balance { start: Start::clamped(100) });
        let outcome = outcome(600, 540, 0);
        let states = [BucketState { bucket: "credits", quota: &quota, cost: 1, outcome: &outcome }];
        insta::assert_snapshot!(shown(&states), @r#"
x-ratelimit-limit: 600
x-ratelimit-remaining: 540
ratelimit-policy: "credits";q=600
ratelimit: "credits";r=540
"#);
    }
}
