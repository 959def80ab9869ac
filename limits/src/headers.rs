//! Rate limit response headers: `RateLimit`, `RateLimit-Policy`, `X-RateLimit-*`, `Retry-After`.
//!
//! Called by [`crate::gate`]. The only module that knows the draft's grammar.

pub(crate) mod upstream;

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

/// The form of `X-RateLimit-Reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// The seconds until more is left.
    #[default]
    Delta,
    /// The time at which more is left, in Unix seconds by the gateway's clock, which the response's
    /// `Date` shows too.
    Epoch,
}

/// The rate limit headers of a response whose upstream sends its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UpstreamHeaders {
    /// Those with less left. A 429 of the upstream counts as nothing left. `Retry-After` is the
    /// longer wait.
    #[default]
    Stricter,
    /// The upstream's. The gateway's are left out of a 429 of the upstream too.
    Keep,
    /// The gateway's.
    Replace,
}

/// The choices of a policy on rate limit headers, and the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'a> {
    pub families: &'a BTreeSet<Family>,
    pub reset: Reset,
    /// The gateway's clock.
    pub now_ms: u64,
}

/// The headers for a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ours {
    pub headers: Vec<(&'static str, String)>,
    pub left: Left,
}

/// The remaining capacity that a set of headers reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Left {
    /// The least that is left in any bucket.
    pub remaining: u64,
    /// The seconds until more is left in that bucket.
    pub reset_s: u64,
    /// The seconds until more is left in all buckets that have nothing left; 0 if each has some.
    pub empty_for_s: u64,
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
    /// The time added to its waits, in ms.
    pub jitter_ms: u64,
    /// False if no header may name it.
    pub is_visible: bool,
}

impl BucketState<'_> {
    /// Returns true if the policy does not limit the bucket, and no override does.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.quota.is_unlimited() && self.outcome.limit == MAX_SAFE
    }

    fn never_resets(&self) -> bool {
        matches!(self.quota, Quota::Balance(_))
    }

    fn reset_s(&self) -> u64 {
        seconds(self.outcome.reset_ms.saturating_add(self.jitter_ms))
    }
}

/// Renders the headers for the charged buckets; empty without any visible buckets. Leaves out those
/// that the policy does not limit.
///
/// # Source
/// draft-ietf-httpapi-ratelimit-headers-11 for `RateLimit` and `RateLimit-Policy` (structured field
/// lists, RFC 9651). `X-RateLimit-*` are de-facto fields; they describe the bucket with the least
/// left.
#[must_use]
pub(crate) fn of(states: &[BucketState<'_>], form: Form<'_>) -> Ours {
    let visible = || states.iter().filter(|state| state.is_visible && !state.is_unlimited());
    let Some(least) = visible().min_by_key(|state| state.outcome.remaining) else {
        return Ours::default();
    };
    let families = form.families;
    let mut headers = Vec::with_capacity(if families.is_empty() { 0 } else { 6 });
    if families.contains(&Family::XRatelimit) {
        let reset_s = match form.reset {
            Reset::Delta => least.reset_s(),
            Reset::Epoch => seconds(form.now_ms + least.outcome.reset_ms + least.jitter_ms),
        };
        headers.extend([
            ("x-ratelimit-limit", digits(least.outcome.limit)),
            ("x-ratelimit-remaining", digits(least.outcome.remaining)),
        ]);
        if !least.never_resets() {
            headers.push(("x-ratelimit-reset", digits(reset_s)));
        }
    }
    if families.contains(&Family::Ratelimit) {
        headers.extend([
            ("ratelimit-policy", list(visible(), policy_item)),
            ("ratelimit", list(visible(), state_item)),
        ]);
    }
    let empty = visible().filter(|state| state.outcome.remaining == 0);
    let left = Left {
        remaining: least.outcome.remaining,
        reset_s: least.reset_s(),
        empty_for_s: empty.map(BucketState::reset_s).max().unwrap_or(0),
    };
    Ours { headers, left }
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
    let reset_s = (!state.never_resets()).then(|| state.reset_s());
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

    fn state<'a>(bucket: &'a str, quota: &'a Quota, outcome: &'a ChargeOutcome) -> BucketState<'a> {
        BucketState { bucket, quota, cost: 1, outcome, jitter_ms: 0, is_visible: true }
    }

    fn in_form(states: &[BucketState<'_>], families: &BTreeSet<Family>, reset: Reset) -> Ours {
        of(states, Form { families, reset, now_ms: 1_790_000_000_001 })
    }

    fn shown(states: &[BucketState<'_>]) -> String {
        let headers = in_form(states, &Family::all(), Reset::Delta).headers;
        headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }

    #[test]
    fn an_uncharged_request_gets_no_headers() {
        assert_eq!(in_form(&[], &Family::all(), Reset::Delta), Ours::default());
    }

    #[test]
    fn only_the_requested_families_are_rendered() {
        let quota = sliding(10, 60_000);
        let outcome = outcome(10, 9, 60_000);
        let states = [state("a", &quota, &outcome)];
        let names = |families: &[Family]| -> Vec<&str> {
            let families = families.iter().copied().collect();
            in_form(&states, &families, Reset::Delta)
                .headers
                .iter()
                .map(|(name, _)| *name)
                .collect()
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
        let (first, second) = (outcome(10, 0, 29_001), outcome(50, 12, 36_000_000));
        let states = [state("ai", &minute, &first), state("ai_daily", &day, &second)];
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
        let (first, second) = (outcome(1, 0, 1), outcome(10, 9, 334));
        let states = [state("short", &short, &first), state("smooth", &bucket, &second)];
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
        let states = [state("credits", &quota, &outcome)];
        insta::assert_snapshot!(shown(&states), @r#"
x-ratelimit-limit: 600
x-ratelimit-remaining: 540
ratelimit-policy: "credits";q=600
ratelimit: "credits";r=540
"#);
    }

    #[test]
    fn a_reset_can_be_a_time_and_is_rounded_up() {
        let quota = sliding(10, 60_000);
        let outcome = outcome(10, 0, 29_000);
        let states = [state("a", &quota, &outcome)];
        let families = BTreeSet::from([Family::XRatelimit]);
        let ours = in_form(&states, &families, Reset::Epoch);
        assert_eq!(ours.headers.last().unwrap().1, "1790000030");
        assert_eq!(ours.left, Left { remaining: 0, reset_s: 29, empty_for_s: 29 });
    }

    #[test]
    fn an_invisible_bucket_is_in_no_header() {
        let quota = sliding(10, 60_000);
        let (hidden, shown_one) = (outcome(5, 0, 50_000), outcome(10, 9, 60_000));
        let hidden = BucketState { is_visible: false, ..state("hidden", &quota, &hidden) };
        assert_eq!(in_form(&[hidden], &Family::all(), Reset::Delta), Ours::default());
        insta::assert_snapshot!(shown(&[hidden, state("a", &quota, &shown_one)]), @r#"
x-ratelimit-limit: 10
x-ratelimit-remaining: 9
x-ratelimit-reset: 60
ratelimit-policy: "a";q=10;w=60
ratelimit: "a";r=9;t=60
"#);
    }
}
