//! Blocks for repeated refusals: what a worker reports, and how a blocked client is refused.

use super::*;
use crate::block::{Block, Refusals};

/// A gate whose bucket `auth` has a block.
fn gate() -> Gate {
    let mut policy = shipped();
    let auth = policy.buckets.iter_mut().find(|bucket| bucket.name == "auth").unwrap();
    auth.block = Some(Block {
        after: Refusals::clamped(20),
        within_ms: WindowMs::clamped(600_000),
        for_ms: WindowMs::clamped(3_600_000),
        refused: None,
    });
    Gate::new(policy)
}

fn login() -> FakeRequest {
    FakeRequest::post("/api/auth/login")
}

/// Answers the call under way with `outcome`.
fn refuse(gate: &mut Gate, outcome: ChargeOutcome) -> Vec<Released> {
    let call = one_call(gate);
    let mut body: DecideReply = serde_json::from_slice(&shim_reply(&call, false, 0)).unwrap();
    body.decisions[0].charges = vec![outcome];
    reply(gate, &call, ok_reply(&serde_json::to_vec(&body).unwrap()))
}

fn sent(gate: &mut Gate) -> String {
    let call = one_call(gate);
    String::from_utf8(call.body.clone()).unwrap().split_once("\"block\":").unwrap().1.to_owned()
}

#[test]
fn refusals_from_memory_are_reported_with_the_next_charge() {
    let mut gate = gate();
    arrive(&mut gate, 1, &login());
    refuse(&mut gate, denied_for(41_500));
    for stream in 2..7 {
        assert!(ask(&mut gate, NOW_MS + 10, stream, &login()).is_some());
    }
    assert_eq!(ask(&mut gate, NOW_MS + 1_200, 7, &login()), None);
    insta::assert_snapshot!(sent(&mut gate), @r#"{"after":20,"within_ms":600000,"for_ms":3600000,"refused":{"count":5,"ago_ms":1190}}}]}]}"#);
    assert_eq!(ask(&mut gate, NOW_MS + 1_300, 8, &login()), None);
    insta::assert_snapshot!(sent(&mut gate), @r#"{"after":20,"within_ms":600000,"for_ms":3600000}}]}]}"#);
}

#[test]
fn a_blocked_client_learns_how_long_from_the_ledger_and_from_memory() {
    let mut gate = gate();
    arrive(&mut gate, 1, &login());
    let blocked = ChargeOutcome { blocked: true, ..denied_for(3_600_000) };
    let released = refuse(&mut gate, blocked);
    insta::assert_snapshot!(shown(&released.first().unwrap().release), @r#"
    429
    retry-after: 3600
    x-ratelimit-limit: 5
    x-ratelimit-remaining: 0
    x-ratelimit-reset: 3600
    ratelimit-policy: "auth";q=5;w=60
    ratelimit: "auth";r=0;t=3600
    content-type: application/problem+json

    {"type":"https://iana.org/assignments/http-problem-types#abnormal-usage-detected","title":"Abnormal usage detected","status":429,"detail":"The client is blocked for repeated refusals by \"auth\". Retry in 3600 s.","instance":"urn:tollgate:counter:06cf66c2381298c46aebb8340731c275","violated-policies":["auth"]}

    denied rule=1 bucket=auth retry_after_ms=3600000 blocked counter=06cf66c2381298c46aebb8340731c275
    "#);
    let Some(Release::Refuse(again)) = ask(&mut gate, NOW_MS + 10, 2, &login()) else {
        panic!("expected a refusal from memory")
    };
    assert_eq!(
        again.summary,
        "denied rule=1 bucket=auth retry_after_ms=3599990 blocked counter=06cf66c2381298c46aebb8340731c275 by=denied_before"
    );
    let samples = gate.take_samples().into_iter();
    let counted = samples.map(|one| format!("{} {}", gate.metric_name(one.metric), one.amount));
    let blocked: Vec<_> = counted.filter(|line| line.contains("verdict=blocked")).collect();
    let name = |by| format!("tollgate.decisions.bucket=auth.by={by}.verdict=blocked 1");
    assert_eq!(blocked, [name("ledger"), name("denied_before")]);
    // The ledger does not count refusals by the block, so they are not reported.
    assert_eq!(ask(&mut gate, NOW_MS + 1_200, 3, &login()), None);
    assert!(!sent(&mut gate).contains("refused"));
}
