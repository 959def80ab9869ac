//! Renders the refusals of a bucket, in the form that it chose. Called by `verdict`.

use super::answer::Answer;
use crate::grpc;
use crate::headers::{self, BucketState};
use crate::ledger::NEVER;
use crate::matched::Matched;
use crate::plan::PlannedCharge;
use crate::policy::{Bucket, Policy};
use crate::problem::{self, Problem};
use crate::quota::Quota;
use crate::template::{Format, Values};
use std::borrow::Cow;

/// The problem type of a request refused by a limit of 0.
const FORBIDDEN: &str = "urn:tollgate:problem:forbidden";
/// The problem type of a request that costs more than the limit.
const COST_ABOVE_LIMIT: &str = "urn:tollgate:problem:cost-above-limit";
/// The longest text that is sent as a `grpc-message`, in bytes.
const MAX_MESSAGE_BYTES: usize = 1_024;

/// A charge that denied the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Denying<'a> {
    pub(super) planned: &'a PlannedCharge,
    pub(super) bucket: &'a Bucket,
    pub(super) state: BucketState<'a>,
}

/// The content of a refusal, before the bucket gives it its form.
struct Content<'a> {
    bucket: &'a Bucket,
    rule: &'a str,
    limit: u64,
    /// `None` if waiting does not help.
    retry_after_s: Option<u64>,
    /// The URI of the counter; empty if no counter refused.
    instance: String,
    /// The problem document. Its status applies unless the bucket has one.
    problem: Problem,
    /// The rate limit headers.
    headers: Vec<(&'static str, String)>,
    summary: String,
}

impl Denying<'_> {
    /// Returns the wait to name to the client, in ms, or [`NEVER`].
    pub(super) fn wait_ms(&self) -> u64 {
        let wait_ms = self.state.outcome.retry_after_ms;
        wait_ms.saturating_add(self.state.jitter_ms).min(NEVER)
    }
}

/// Renders the refusal of a request because the limit of `bucket` is 0.
pub(super) fn blocked(policy: &Policy, matched: &Matched, bucket: &Bucket) -> Answer {
    let rule = policy.matched_name(matched);
    let why = match bucket.visible {
        true => format!(": its limit {:?} is 0", bucket.name),
        false => String::new(),
    };
    let detail = format!("The policy does not allow this request{why}.");
    let problem = Problem {
        kind: FORBIDDEN.into(),
        violated_policies: bucket.visible.then(|| bucket.name.clone()).into_iter().collect(),
        ..Problem::new(403, "Forbidden", detail)
    };
    formed(Content {
        bucket,
        rule: &rule,
        limit: 0,
        retry_after_s: None,
        instance: String::new(),
        problem,
        headers: Vec::new(),
        summary: format!("denied rule={rule} bucket={} limit=0", bucket.name),
    })
}

/// Renders the refusal of a denied request. `last`: the charge with the longest wait, which decides
/// the form. `headers`: the rate limit headers. `outcome`: the beginning of the summary.
pub(super) fn denied(
    policy: &Policy,
    matched: &Matched,
    last: &Denying<'_>,
    all: &[Denying<'_>],
    headers: Vec<(&'static str, String)>,
    outcome: &str,
) -> Answer {
    let (bucket, state) = (last.bucket, &last.state);
    let (wait_ms, rule) = (last.wait_ms(), policy.matched_name(matched));
    let counter = &last.planned.charge.counter;
    let retry_after_s = (wait_ms < NEVER).then(|| headers::seconds(wait_ms));
    let cost = if state.cost == 1 { String::new() } else { format!(" cost={}", state.cost) };
    let until = match retry_after_s {
        None if matches!(state.quota, Quota::Balance(_)) => String::new(),
        Some(_) if state.outcome.blocked => format!(" retry_after_ms={wait_ms} blocked"),
        Some(_) => format!(" retry_after_ms={wait_ms}"),
        None => format!(" limit={}", state.outcome.limit),
    };
    let summary = format!(
        "{outcome} rule={rule} bucket={}{cost}{until} counter={}",
        bucket.name,
        counter.slot_tag()
    );
    let instance = counter.uri();
    let visible = all.iter().filter(|denying| denying.bucket.visible);
    let problem = Problem {
        instance: Some(instance.clone()),
        violated_policies: visible.map(|denying| denying.bucket.name.clone()).collect(),
        ..problem_of(last, retry_after_s)
    };
    let (limit, rule) = (state.outcome.limit, rule.as_ref());
    formed(Content { bucket, rule, limit, retry_after_s, instance, problem, headers, summary })
}

fn problem_of(last: &Denying<'_>, retry_after_s: Option<u64>) -> Problem {
    match retry_after_s {
        Some(wait_s) => {
            let is_blocked = last.state.outcome.blocked;
            let exceeded = match (last.bucket.visible, is_blocked) {
                (true, _) => exceeded(&last.state),
                (false, true) => "The client is blocked for repeated refusals.".to_owned(),
                (false, false) => "A limit is used up.".to_owned(),
            };
            let detail = format!("{exceeded} Retry in {wait_s} s.");
            let (kind, title) = match is_blocked {
                true => (problem::ABNORMAL_USAGE, "Abnormal usage detected"),
                false => (problem::QUOTA_EXCEEDED, "Quota exceeded"),
            };
            Problem { kind: kind.into(), ..Problem::new(429, title, detail) }
        }
        None if matches!(last.state.quota, Quota::Balance(_)) => used_up(last),
        None => {
            let (name, limit) = (&last.bucket.name, last.state.outcome.limit);
            let limit = match last.bucket.visible {
                true => format!("and the limit {name:?} is {limit}"),
                false => "which is more than a limit".to_owned(),
            };
            let cost = last.state.cost;
            let detail = format!("The request costs {cost}, {limit}. Waiting does not help.");
            let kind = COST_ABOVE_LIMIT.into();
            Problem { kind, ..Problem::new(403, "Cost above limit", detail) }
        }
    }
}

/// Returns the problem of a request whose balance is used up. Waiting does not help, and the status is
/// one that clients do not retry.
fn used_up(last: &Denying<'_>) -> Problem {
    let BucketState { bucket, cost, outcome, .. } = &last.state;
    let detail = match (last.bucket.visible, outcome.remaining) {
        (false, _) => "A balance is used up.".to_owned(),
        (true, 0) => format!("The balance {bucket:?} is used up. Top it up to continue."),
        (true, left) => {
            format!("The balance {bucket:?} has {left} left, and the request costs {cost}.")
        }
    };
    Problem { kind: problem::QUOTA_EXCEEDED.into(), ..Problem::new(402, "Balance used up", detail) }
}

/// Renders `content` in the form that its bucket chose.
fn formed(content: Content<'_>) -> Answer {
    let Content { bucket, rule, limit, retry_after_s, instance, mut problem, headers, summary } =
        content;
    let detail = problem.detail.clone();
    let values = Values {
        bucket: &bucket.name,
        limit,
        retry_after_s,
        instance: &instance,
        detail: &detail,
        rule,
    };
    let refusal = bucket.refusal.as_ref();
    let status = refusal.and_then(|refusal| refusal.status).unwrap_or(problem.status);
    problem.status = status;
    let wait = retry_after_s.map(|wait_s| ("retry-after", headers::digits(wait_s)));
    let headers = wait.into_iter().chain(headers);
    let mut headers: Vec<(Cow<'static, str>, String)> =
        headers.map(|(name, value)| (Cow::Borrowed(name), value)).collect();
    if let Some(refusal) = refusal {
        let added = refusal.headers.iter();
        headers.extend(added.map(|(name, value)| (name.clone().into(), value.render(&values))));
        // Caches may keep most other statuses, and serve them to other clients.
        if !matches!(status, 429 | 503) && !has(&headers, "cache-control") {
            headers.push(("cache-control".into(), "no-store".to_owned()));
        }
    }
    let custom = refusal.and_then(|refusal| refusal.body.as_ref());
    let custom = custom.map(|body| (body.format, body.template.render(&values)));
    let message = match &custom {
        Some((Format::Text, text)) if text.len() <= MAX_MESSAGE_BYTES => text.clone(),
        _ => detail.clone().into_owned(),
    };
    let (content_type, body) = match custom {
        Some((format, text)) => (content_type(format), text.into_bytes()),
        None => (problem::CONTENT_TYPE, serde_json::to_vec(&problem).unwrap_or_default()),
    };
    if !has(&headers, "content-type") {
        headers.push(("content-type".into(), content_type.to_owned()));
    }
    let grpc_status = grpc::of_denial(status);
    Answer { status, headers, body, detail: message, grpc_status, summary }
}

fn has(headers: &[(Cow<'static, str>, String)], wanted: &str) -> bool {
    headers.iter().any(|(name, _)| name == wanted)
}

const fn content_type(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::Html => "text/html; charset=utf-8",
        Format::Text => "text/plain; charset=utf-8",
    }
}

fn exceeded(state: &BucketState<'_>) -> String {
    let BucketState { bucket, quota, cost, outcome, .. } = state;
    let (limit, left) = (outcome.limit, outcome.remaining);
    if outcome.blocked {
        return format!("The client is blocked for repeated refusals by {bucket:?}.");
    }
    let is_used_up = match left {
        0 => "is used up".to_owned(),
        _ => format!("has {left} left, and the request costs {cost}"),
    };
    match quota {
        Quota::SlidingWindow(quota) => {
            let window_ms = quota.window_ms.get();
            format!("The limit {bucket:?} of {limit} in any {} {is_used_up}.", shown_ms(window_ms))
        }
        Quota::FixedWindow(quota) => {
            let per = quota.per.name();
            format!("The quota {bucket:?} of {limit} per {per} {is_used_up}.")
        }
        Quota::TokenBucket(_) if left == 0 => format!("The rate of {bucket:?} is exceeded."),
        Quota::TokenBucket(_) => format!("The rate {bucket:?} {is_used_up}."),
        // Only if the key is blocked.
        Quota::Balance(_) => format!("The balance {bucket:?} cannot be used at the moment."),
    }
}

fn shown_ms(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}
