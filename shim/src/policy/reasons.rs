//! Says in words why a request has a limit or a cost, for `tollgate policy explain` and `tollgate
//! counters show`.

use limits::block::Block;
use limits::plan::{Effect, Reason, Subject};
use limits::policy::UNLIMITED;
use limits::quota::{Period, Quota};

/// Formats a reason: `claim tier is "pro"`.
pub(crate) fn reason(reason: &Reason<'_>) -> String {
    let source = reason.source;
    let Some(value) = &reason.found else { return format!("the request has no {source}") };
    match (reason.effect, &reason.list) {
        (Effect::Listed, Some(list)) => {
            format!("{source} is the list {list}; {value:?} has {}", best(reason.subject))
        }
        (Effect::Unlisted, Some(list)) => {
            format!("{source} is the list {list}, and no item is listed")
        }
        (effect, _) => format!("{source} is {}", single(value, effect, reason.subject)),
    }
}

/// Names the item of a list that counts.
const fn best(subject: Subject) -> &'static str {
    match subject {
        Subject::Tier => "the fastest tier",
        Subject::Cost => "the smallest cost",
        Subject::Limit | Subject::TimeZone | Subject::Anchor => "the largest limit",
    }
}

fn single(value: &str, effect: Effect, subject: Subject) -> String {
    match effect {
        Effect::Listed => format!("{value:?}"),
        Effect::Unlisted => format!("{value:?}, which is not listed"),
        Effect::NotANumber => format!("{value:?}, which is not a number"),
        Effect::Invalid if subject == Subject::TimeZone => {
            format!("{value:?}, which is not a time zone")
        }
        Effect::Invalid => format!("{value:?}, which is not a day to begin with"),
        Effect::Read(number) if number.to_string() == value => value.to_owned(),
        Effect::Read(number) => format!("{value}, which makes {number}"),
    }
}

/// Formats a limit: `5 in any 60 s`. A limit of 0 has no quota.
pub(crate) fn limit(quota: Option<&Quota>) -> String {
    let number = |limit: u64, rest: String| match limit {
        _ if limit == UNLIMITED.get() => format!("unlimited, counted {rest}"),
        _ => format!("{limit} {rest}"),
    };
    match quota {
        None => "0: refuses every request".to_owned(),
        Some(Quota::SlidingWindow(quota)) => {
            number(quota.limit.get(), format!("in any {}", length(quota.window_ms.get())))
        }
        Some(Quota::FixedWindow(quota)) => {
            let (per, zone) = (quota.per.name(), quota.time_zone);
            let from = match quota.anchor {
                anchor if anchor.is_first() => String::new(),
                anchor if quota.per == Period::Month => format!(" from day {anchor}"),
                anchor => format!(" from {anchor}"),
            };
            number(quota.limit.get(), format!("per calendar {per}{from} ({zone})"))
        }
        Some(Quota::Balance(quota)) => {
            format!("a balance that starts with {}, and what is topped up", quota.start)
        }
        Some(Quota::TokenBucket(quota)) => {
            let per = length(quota.per_ms());
            format!("{} at once, {} more every {per}", quota.burst(), quota.rate())
        }
    }
}

/// Describes a bucket's block for repeated refusals.
pub(super) fn block(block: &Block) -> String {
    let (within, lasts) = (length(block.within_ms.get()), length(block.for_ms.get()));
    let refusals = if block.after.get() == 1 { "refusal" } else { "refusals" };
    format!("after {} {refusals} within {within}, for {lasts}", block.after)
}

/// Renders a time.
pub(super) fn length(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}
