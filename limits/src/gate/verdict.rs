//! A decision in words: for the client (headers, problem+json) and for the access log.

use super::Waiting;
use crate::headers::{self, Told};
use crate::path::BadPath;
use crate::policy::Policy;
use crate::problem::{self, Problem};
use crate::quota::Quota;
use crate::wire::{ChargeOutcome, Decision};

/// The problem type of a request refused because the ledger is away, from the IANA registry.
const REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

/// What the gateway answers in place of the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// A problem+json document.
    pub body: Vec<u8>,
    /// For the access log.
    pub summary: String,
}

#[derive(Debug)]
pub(super) enum Verdict {
    Pass { summary: String, headers: Vec<(&'static str, String)> },
    Answer(Answer),
}

pub(super) fn exempt(rule: Option<usize>) -> String {
    format!("exempt rule={}", rule_name(rule))
}

pub(super) fn bad_path(error: BadPath) -> Answer {
    let detail = format!("{error}: send it in its plain form.");
    answer(Problem::new(400, "Bad path", detail), Vec::new(), format!("refused path=\"{error}\""))
}

/// The ledger's decision.
pub(super) fn by_ledger(policy: &Policy, waiting: &Waiting, decision: &Decision) -> Verdict {
    decided(
        policy,
        waiting,
        &decision.charges.iter().map(Some).collect::<Vec<_>>(),
        "admitted",
        "denied",
    )
}

/// A decision by this gateway alone. A charge without an outcome was not counted.
pub(super) fn by_gateway(
    policy: &Policy,
    waiting: &Waiting,
    outcomes: &[Option<&ChargeOutcome>],
) -> Verdict {
    decided(policy, waiting, outcomes, "degraded admitted", "degraded denied")
}

/// Refused because a bucket that must not go uncounted cannot be counted.
pub(super) fn unavailable(waiting: &Waiting, bucket: &str) -> Verdict {
    let detail = format!("The quota {bucket:?} cannot be checked at the moment. Retry in 1 s.");
    let mut problem = Problem::new(503, "Temporary reduced capacity", detail);
    problem.kind = REDUCED_CAPACITY.into();
    let headers = vec![("retry-after", "1".to_owned())];
    let rule = rule_name(waiting.rule);
    Verdict::Answer(answer(
        problem,
        headers,
        format!("degraded refused rule={rule} bucket={bucket}"),
    ))
}

fn decided(
    policy: &Policy,
    waiting: &Waiting,
    outcomes: &[Option<&ChargeOutcome>],
    admitted: &str,
    denied: &str,
) -> Verdict {
    let charges = waiting.charges.iter().zip(outcomes);
    let enforced: Vec<Told<'_>> = charges
        .filter(|(planned, _)| planned.charge.enforce)
        .filter_map(|(planned, outcome)| {
            let bucket = policy.buckets.get(planned.bucket)?.name.as_str();
            Some(Told { bucket, quota: &planned.charge.quota, outcome: (*outcome)? })
        })
        .collect();
    let refusing: Vec<&Told<'_>> = enforced.iter().filter(|told| !told.outcome.admitted).collect();
    let headers = headers::of(&enforced);
    let rule = rule_name(waiting.rule);
    match refusing.iter().max_by_key(|told| told.outcome.retry_after_ms) {
        None => {
            let left = enforced.iter().map(|t| format!(" {}={}", t.bucket, t.outcome.remaining));
            let summary = format!("{admitted} rule={rule}{}", left.collect::<String>());
            Verdict::Pass { summary, headers }
        }
        Some(last) => {
            Verdict::Answer(refused(last, &refusing, headers, &format!("{denied} rule={rule}")))
        }
    }
}

fn refused(
    last: &Told<'_>,
    refusing: &[&Told<'_>],
    mut headers: Vec<(&'static str, String)>,
    summary: &str,
) -> Answer {
    let retry_after_ms = last.outcome.retry_after_ms;
    let retry_after_s = headers::seconds(retry_after_ms);
    let problem = Problem {
        kind: problem::QUOTA_EXCEEDED.into(),
        violated_policies: refusing.iter().map(|told| told.bucket.to_owned()).collect(),
        ..Problem::new(
            429,
            "Quota exceeded",
            format!("{} Retry in {retry_after_s} s.", used_up(last)),
        )
    };
    headers.insert(0, ("retry-after", retry_after_s.to_string()));
    let summary = format!("{summary} bucket={} retry_after_ms={retry_after_ms}", last.bucket);
    answer(problem, headers, summary)
}

fn used_up(told: &Told<'_>) -> String {
    let Told { bucket, quota, outcome } = told;
    let limit = outcome.limit;
    match quota {
        Quota::SlidingWindow(quota) => {
            let window_ms = quota.window_ms.get();
            format!("The limit {bucket:?} of {limit} in any {} is used up.", length(window_ms))
        }
        Quota::FixedWindow(quota) => {
            let per = format!("{:?}", quota.per).to_lowercase();
            format!("The quota {bucket:?} of {limit} per {per} is used up.")
        }
        Quota::TokenBucket(_) => format!("The rate of {bucket:?} is exceeded."),
    }
}

fn length(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}

fn answer(problem: Problem, mut headers: Vec<(&'static str, String)>, summary: String) -> Answer {
    headers.push(("content-type", problem::CONTENT_TYPE.to_owned()));
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    Answer { status: problem.status, headers, body, summary }
}

fn rule_name(rule: Option<usize>) -> String {
    rule.map_or_else(|| "none".to_owned(), |at| at.to_string())
}
