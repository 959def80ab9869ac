//! Renders decisions for the client (headers, problem+json) and for the access log.

use super::answer::Answer;
use super::metrics::By;
use super::outbox::Asked;
use super::refused::{self, Denying};
use crate::grpc;
use crate::headers::{self, BucketState, Form, Ours};
use crate::matched::Matched;
use crate::path::BadPath;
use crate::plan::PlannedCharge;
use crate::policy::Policy;
use crate::problem::{self, Problem};
use crate::quota::Quota;
use crate::wire::ChargeOutcome;
use std::sync::Arc;

/// The problem type of a request refused because the ledger is unavailable, from the IANA registry.
const REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

/// The header of responses to requests that were decided without the ledger.
const VERDICT_HEADER: &str = "tollgate-verdict";

/// A charge's outcome and its source. `outcome` is `None` if the charge was not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) by: By,
    pub(super) outcome: Option<ChargeOutcome>,
}

/// A rendered decision.
#[derive(Debug)]
pub(super) enum Verdict {
    Pass { summary: String, ours: Ours },
    Refuse(Arc<Answer>),
}

/// The parts of a summary that depend on the decision's source.
struct Words {
    admitted: &'static str,
    denied: &'static str,
    by: &'static str,
}

/// Renders the summary of an exempt request, if the policy wants it.
pub(super) fn exempt(policy: &Policy, matched: &Matched) -> String {
    if !policy.filter_state {
        return String::new();
    }
    format!("exempt rule={}", policy.matched_name(matched))
}

/// Renders the refusal of an invalid path.
pub(super) fn bad_path(error: BadPath) -> Answer {
    let detail = format!("{error}: send the path in its normal form.");
    let problem = Problem::new(400, "Bad path", detail);
    answer(problem, grpc::INVALID, format!("refused path=\"{error}\""))
}

/// Renders the refusal of a request because the charge `planned` cannot be counted.
pub(super) fn unavailable(
    policy: &Policy,
    asked: &Asked,
    planned: Option<&PlannedCharge>,
    by: By,
) -> Verdict {
    let bucket = planned.map_or("", |planned| planned.charge.counter.bucket());
    let found = planned.and_then(|planned| policy.buckets.get(planned.bucket));
    let is_visible = found.is_none_or(|bucket| bucket.visible);
    let quota = if is_visible { format!("The quota {bucket:?}") } else { "A quota".to_owned() };
    let detail = format!("{quota} cannot be checked at the moment. Retry in 1 s.");
    let mut problem = Problem::new(503, "Temporary reduced capacity", detail);
    problem.kind = REDUCED_CAPACITY.into();
    let mut summary =
        format!("degraded refused rule={} bucket={bucket}", policy.matched_name(&asked.matched));
    if let Some(planned) = planned {
        let counter = &planned.charge.counter;
        problem.instance = Some(counter.uri());
        summary.push_str(" counter=");
        summary.push_str(counter.slot_tag());
    }
    summary.push_str(words(by).by);
    let mut answer = answer(problem, grpc::UNAVAILABLE, summary);
    answer.headers.insert(0, ("retry-after".into(), "1".to_owned()));
    let mut verdict = Verdict::Refuse(Arc::new(answer));
    log_charges(&mut verdict, asked);
    mark_degraded(verdict)
}

/// Renders a decision, made by the ledger or without it.
pub(super) fn render(policy: &Policy, asked: &Asked, judged: &[Judged], now_ms: u64) -> Verdict {
    let mut bys = judged.iter().map(|judged| judged.by);
    let by = bys.clone().find(|by| *by == By::Full).or(bys.next()).unwrap_or(By::Ledger);
    let mut verdict = render_in(words(by), policy, asked, judged, now_ms);
    log_charges(&mut verdict, asked);
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
        By::Full => {
            Words { admitted: "degraded admitted", denied: "degraded denied", by: " by=full" }
        }
    }
}

fn render_in(
    words: Words,
    policy: &Policy,
    asked: &Asked,
    judged: &[Judged],
    now_ms: u64,
) -> Verdict {
    let known = || {
        let counted = asked.charges.iter().zip(judged);
        let enforced = counted.filter(|(planned, _)| planned.charge.enforce);
        enforced.filter_map(|(planned, judged)| {
            let bucket = policy.buckets.get(planned.bucket)?;
            let outcome = judged.outcome.as_ref()?;
            // Only a period ends for everyone at once, and a tier can count without periods.
            let is_period = matches!(planned.charge.quota, Quota::FixedWindow(_));
            let jitter_ms = match (outcome.admitted || outcome.blocked, bucket.jitter_ms) {
                (false, most_ms) if is_period && most_ms > 0 => {
                    planned.charge.counter.spread(most_ms)
                }
                _ => 0,
            };
            let state = BucketState {
                bucket: &bucket.name,
                quota: &planned.charge.quota,
                cost: planned.charge.cost.get(),
                outcome,
                jitter_ms,
                is_visible: bucket.visible,
            };
            Some(Denying { planned, bucket, state })
        })
    };
    let states: Vec<BucketState<'_>> = known().map(|one| one.state).collect();
    let form = Form { families: &policy.response_headers, reset: policy.x_ratelimit_reset, now_ms };
    let ours = headers::of(&states, form);
    let refusing: Vec<Denying<'_>> = known().filter(|one| !one.state.outcome.admitted).collect();
    match refusing.iter().max_by_key(|denying| denying.wait_ms()) {
        None if !policy.filter_state => Verdict::Pass { summary: String::new(), ours },
        None => {
            let mut summary = String::with_capacity(64 + 32 * states.len());
            let rule = policy.matched_name(&asked.matched);
            [words.admitted, " rule=", &rule].iter().for_each(|text| summary.push_str(text));
            for state in &states {
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
            Verdict::Pass { summary, ours }
        }
        Some(last) => {
            let headers = ours.headers;
            let mut answer =
                refused::denied(policy, &asked.matched, last, &refusing, headers, words.denied);
            answer.summary.push_str(words.by);
            Verdict::Refuse(Arc::new(answer))
        }
    }
}

fn log_charges(verdict: &mut Verdict, asked: &Asked) {
    let summary = match verdict {
        Verdict::Pass { summary, .. } if summary.is_empty() => return,
        Verdict::Pass { summary, .. } => summary,
        Verdict::Refuse(answer) => &mut Arc::make_mut(answer).summary,
    };
    log_keys(summary, asked.charges.iter().flat_map(|planned| &planned.logged));
}

/// Adds the values of keys that the policy shows in logs, each once.
pub(super) fn log_keys<'a>(summary: &mut String, logged: impl Iterator<Item = &'a String>) {
    let mut seen: Vec<&String> = Vec::new();
    for logged in logged {
        if !seen.contains(&logged) {
            seen.push(logged);
            summary.push(' ');
            summary.push_str(logged);
        }
    }
}

/// Adds the header that marks a decision made without the ledger.
fn mark_degraded(mut verdict: Verdict) -> Verdict {
    let degraded = "degraded".to_owned();
    match &mut verdict {
        Verdict::Pass { ours, .. } => ours.headers.push((VERDICT_HEADER, degraded)),
        Verdict::Refuse(answer) => {
            Arc::make_mut(answer).headers.push((VERDICT_HEADER.into(), degraded));
        }
    }
    verdict
}

fn answer(problem: Problem, grpc_status: i32, summary: String) -> Answer {
    Answer {
        status: problem.status,
        headers: vec![("content-type".into(), problem::CONTENT_TYPE.to_owned())],
        body: serde_json::to_vec(&problem).unwrap_or_default(),
        detail: problem.detail.into_owned(),
        grpc_status,
        summary,
    }
}
