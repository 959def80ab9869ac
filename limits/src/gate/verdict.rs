//! Renders decisions for the client (headers, problem+json) and for the access log.

use super::metrics::By;
use super::outbox::Asked;
use crate::headers::{self, BucketState};
use crate::ledger::NEVER;
use crate::matched::Matched;
use crate::path::BadPath;
use crate::policy::Policy;
use crate::problem::{self, Problem};
use crate::quota::Quota;
use crate::wire::ChargeOutcome;

/// The problem type of a request refused because the ledger is unavailable, from the IANA registry.
const REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

/// The problem type of a request refused by a limit of 0.
const FORBIDDEN: &str = "urn:tollgate:problem:forbidden";
/// The problem type of a request that costs more than the limit.
const COST_ABOVE_LIMIT: &str = "urn:tollgate:problem:cost-above-limit";

/// The header of responses to requests that were decided without the ledger.
const VERDICT_HEADER: &str = "tollgate-verdict";

/// A response sent by the gateway itself, instead of the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body, a problem+json document.
    pub body: Vec<u8>,
    /// The problem's `detail`: the message for a gRPC client.
    pub detail: String,
    /// A line for the access log.
    pub summary: String,
}

/// A charge's outcome and its source. `outcome` is `None` if the charge was not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) by: By,
    pub(super) outcome: Option<ChargeOutcome>,
}

/// A rendered decision.
#[derive(Debug)]
pub(super) enum Verdict {
    Pass { summary: String, headers: Vec<(&'static str, String)> },
    Refuse(Answer),
}

/// The parts of a summary that depend on the decision's source.
struct Words {
    admitted: &'static str,
    denied: &'static str,
    by: &'static str,
}

/// Renders the summary of an exempt request.
pub(super) fn exempt(policy: &Policy, matched: &Matched) -> String {
    format!("exempt rule={}", policy.matched_name(matched))
}

/// Renders the refusal of an invalid path.
pub(super) fn bad_path(error: BadPath) -> Answer {
    let detail = format!("{error}: send the path in its normal form.");
    answer(Problem::new(400, "Bad path", detail), Vec::new(), format!("refused path=\"{error}\""))
}

/// Renders the refusal of a request because the limit of `bucket` is 0.
pub(super) fn blocked(policy: &Policy, matched: &Matched, bucket: &str) -> Answer {
    let detail = format!("The policy does not allow this request: its limit {bucket:?} is 0.");
    let problem = Problem {
        kind: FORBIDDEN.into(),
        violated_policies: vec![bucket.to_owned()],
        ..Problem::new(403, "Forbidden", detail)
    };
    let rule = policy.matched_name(matched);
    let summary = format!("denied rule={rule} bucket={bucket} limit=0");
    answer(problem, Vec::new(), summary)
}

/// Renders the refusal of a request because `bucket` cannot be counted.
pub(super) fn unavailable(policy: &Policy, asked: &Asked, bucket: &str) -> Verdict {
    let detail = format!("The quota {bucket:?} cannot be checked at the moment. Retry in 1 s.");
    let mut problem = Problem::new(503, "Temporary reduced capacity", detail);
    problem.kind = REDUCED_CAPACITY.into();
    let headers = vec![("retry-after", "1".to_owned())];
    let rule = policy.matched_name(&asked.matched);
    let summary = format!("degraded refused rule={rule} bucket={bucket}");
    let mut verdict = Verdict::Refuse(answer(problem, headers, summary));
    log_keys(&mut verdict, asked);
    mark_degraded(verdict)
}

/// Renders a decision, made by the ledger or without it.
pub(super) fn render(policy: &Policy, asked: &Asked, judged: &[Judged]) -> Verdict {
    let by = judged.first().map_or(By::Ledger, |judged| judged.by);
    let mut verdict = render_in(words(by), policy, asked, judged);
    log_keys(&mut verdict, asked);
    if by.is_degraded() { mark_degraded(verdict) } else { verdict }
}

const fn words(by: By) -> Words {
    let (admitted, denied) = ("admitted", "denied");
    match by {
        By::Ledger | By::Policy => Words { admitted, denied, by: "" },
        By::Lease => Words { admitted, denied, by: " by=lease" },
        By::DeniedBefore => Words { admitted, denied, by: " by=denied_before" },
        By::Local | By::Allow | By::Deny => {
            Words { admitted: "degraded admitted", denied: "degraded denied", by: "" }
        }
    }
}

fn render_in(words: Words, policy: &Policy, asked: &Asked, judged: &[Judged]) -> Verdict {
    let enforced: Vec<BucketState<'_>> = asked
        .charges
        .iter()
        .zip(judged)
        .filter(|(planned, _)| planned.charge.enforce)
        .filter_map(|(planned, judged)| {
            let bucket = policy.buckets.get(planned.bucket)?.name.as_str();
            let quota = &planned.charge.quota;
            let cost = planned.charge.cost.get();
            Some(BucketState { bucket, quota, cost, outcome: judged.outcome.as_ref()? })
        })
        .collect();
    let refusing: Vec<&BucketState<'_>> =
        enforced.iter().filter(|state| !state.outcome.admitted).collect();
    let headers = headers::of(&enforced, &policy.response_headers);
    let rule = policy.matched_name(&asked.matched);
    match refusing.iter().max_by_key(|state| state.outcome.retry_after_ms) {
        None => {
            let mut summary = String::with_capacity(64 + 32 * enforced.len());
            [words.admitted, " rule=", &rule].iter().for_each(|text| summary.push_str(text));
            for state in &enforced {
                [" ", state.bucket, "="].iter().for_each(|text| summary.push_str(text));
                if state.is_unlimited() {
                    summary.push_str("unlimited");
                } else {
                    headers::push_digits(&mut summary, state.outcome.remaining);
                }
                if state.cost != 1 {
                    summary.push_str("/cost=");
                    headers::push_digits(&mut summary, state.cost);
                }
            }
            summary.push_str(words.by);
            Verdict::Pass { summary, headers }
        }
        Some(last) => {
            let mut answer =
                refused(last, &refusing, headers, &format!("{} rule={rule}", words.denied));
            answer.summary.push_str(words.by);
            Verdict::Refuse(answer)
        }
    }
}

/// Adds the values of keys that the policy shows in logs, each once.
fn log_keys(verdict: &mut Verdict, asked: &Asked) {
    let (Verdict::Pass { summary, .. } | Verdict::Refuse(Answer { summary, .. })) = verdict;
    let mut seen: Vec<&String> = Vec::new();
    for logged in asked.charges.iter().flat_map(|planned| &planned.logged) {
        if !seen.contains(&logged) {
            seen.push(logged);
            summary.push(' ');
            summary.push_str(logged);
        }
    }
}

/// Adds the header that marks a decision made without the ledger.
fn mark_degraded(mut verdict: Verdict) -> Verdict {
    let header = (VERDICT_HEADER, "degraded".to_owned());
    match &mut verdict {
        Verdict::Pass { headers, .. } | Verdict::Refuse(Answer { headers, .. }) => {
            headers.push(header);
        }
    }
    verdict
}

fn refused(
    last: &BucketState<'_>,
    refusing: &[&BucketState<'_>],
    mut headers: Vec<(&'static str, String)>,
    summary: &str,
) -> Answer {
    let cost = if last.cost == 1 { String::new() } else { format!(" cost={}", last.cost) };
    let summary = format!("{summary} bucket={}{cost}", last.bucket);
    let violated_policies = refusing.iter().map(|state| state.bucket.to_owned()).collect();
    let retry_after_ms = last.outcome.retry_after_ms;
    if retry_after_ms == NEVER && matches!(last.quota, Quota::Balance(_)) {
        let problem = used_up(last);
        return answer(Problem { violated_policies, ..problem }, headers, summary);
    }
    if retry_after_ms == NEVER {
        let detail = format!(
            "The request costs {}, and the limit {:?} is {}. Waiting does not help.",
            last.cost, last.bucket, last.outcome.limit
        );
        let problem = Problem {
            kind: COST_ABOVE_LIMIT.into(),
            violated_policies,
            ..Problem::new(403, "Cost above limit", detail)
        };
        let summary = format!("{summary} limit={}", last.outcome.limit);
        return answer(problem, headers, summary);
    }
    let retry_after_s = headers::seconds(retry_after_ms);
    let (kind, title, note) = if last.outcome.blocked {
        (problem::ABNORMAL_USAGE, "Abnormal usage detected", " blocked")
    } else {
        (problem::QUOTA_EXCEEDED, "Quota exceeded", "")
    };
    let problem = Problem {
        kind: kind.into(),
        violated_policies,
        ..Problem::new(429, title, format!("{} Retry in {retry_after_s} s.", exceeded_detail(last)))
    };
    headers.insert(0, ("retry-after", retry_after_s.to_string()));
    answer(problem, headers, format!("{summary} retry_after_ms={retry_after_ms}{note}"))
}

/// Returns the problem of a request whose balance is used up. Waiting does not help, so there is no
/// `Retry-After`, and the status is one that clients do not retry.
fn used_up(state: &BucketState<'_>) -> Problem {
    let BucketState { bucket, cost, outcome, .. } = state;
    let detail = match outcome.remaining {
        0 => format!("The balance {bucket:?} is used up. Top it up to continue."),
        left => format!("The balance {bucket:?} has {left} left, and the request costs {cost}."),
    };
    Problem { kind: problem::QUOTA_EXCEEDED.into(), ..Problem::new(402, "Balance used up", detail) }
}

fn exceeded_detail(state: &BucketState<'_>) -> String {
    let BucketState { bucket, quota, cost, outcome } = state;
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

fn answer(problem: Problem, mut headers: Vec<(&'static str, String)>, summary: String) -> Answer {
    headers.push(("content-type", problem::CONTENT_TYPE.to_owned()));
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    Answer { status: problem.status, headers, body, detail: problem.detail.into_owned(), summary }
}
