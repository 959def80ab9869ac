//! Says in words why a request has a limit or a cost, for `tollgate policy explain` and `tollgate
//! counters show`.

use limits::block::Block;
use limits::plan::{Effect, Reason};
use limits::policy::{Source, UNLIMITED};
use limits::quota::Quota;

/// Formats a reason: `claim tier is "pro"`.
pub(crate) fn reason(reason: &Reason<'_>) -> String {
    let source = source(reason.source);
    let Some(value) = &reason.found else { return format!("the request has no {source}") };
    match reason.effect {
        Effect::Listed => format!("{source} is {value:?}"),
        Effect::Unlisted => format!("{source} is {value:?}, which is not listed"),
        Effect::NotANumber => format!("{source} is {value:?}, which is not a number"),
        Effect::Read(number) if number.to_string() == *value => format!("{source} is {value}"),
        Effect::Read(number) => format!("{source} is {value}, which makes {number}"),
    }
}

fn source(source: &Source) -> String {
    match source {
        Source::JwtClaim(names) => format!("claim {}", names.join(".")),
        Source::ClientIp { .. } => "client address".to_owned(),
        Source::Header(name) => format!("header {name}"),
        Source::Host => "host".to_owned(),
        Source::RouteName => "route name".to_owned(),
        Source::RouteMetadata(names) => format!("route metadata {}", names.join(".")),
    }
}

/// Formats a limit: `5 in any 60 s`. A limit of 0 has no quota.
pub(crate) fn limit(quota: Option<&Quota>) -> String {
    let number = |limit: u64, rest: String| match limit {
        _ if limit == UNLIMITED.get() => format!("unlimited, counted {rest}"),
        _ => format!("{limit} {rest}"),
    };
    match quota {
        None => "0: refused with 403".to_owned(),
        Some(Quota::SlidingWindow(quota)) => {
            number(quota.limit.get(), format!("in any {}", length(quota.window_ms.get())))
        }
        Some(Quota::FixedWindow(quota)) => {
            let per = quota.per.name();
            number(quota.limit.get(), format!("per calendar {per} ({})", quota.time_zone))
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
    format!("after {} refusals within {within}, for {lasts}", block.after)
}

fn length(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}
