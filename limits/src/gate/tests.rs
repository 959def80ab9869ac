use super::*;
use crate::plan::tests::{Told, shipped};
use crate::wire::{ChargeOutcome, DecideBody, Settle, SettleBody};

const NOW_MS: u64 = 1_790_000_000_000;

/// What the shim would say: each request gets `admitted`, with `left` in each counter.
fn answered(call: &Call, admitted: bool, left: u64) -> Vec<u8> {
    let body: DecideBody = serde_json::from_slice(&call.body).unwrap();
    let decisions = body.requests.iter().enumerate().map(|(at, request)| Decision {
        id: format!("{NOW_MS}-{at}"),
        admitted,
        retry_after_ms: if admitted { 0 } else { 41_500 },
        charges: request
            .charges
            .iter()
            .map(|charge| ChargeOutcome {
                admitted,
                limit: charge.quota.limit(),
                remaining: left,
                reset_ms: 41_500,
                retry_after_ms: if admitted { 0 } else { 41_500 },
                lease: None,
            })
            .collect(),
        error: None,
    });
    let reply = DecideReply { now_ms: NOW_MS, decisions: decisions.collect() };
    serde_json::to_vec(&reply).unwrap()
}

fn genuinely(body: &[u8]) -> Reply<'_> {
    Reply { status: Some(b"200"), marker: Some(b"1"), body }
}

fn gate() -> Gate {
    Gate::new(shipped())
}

fn arrive(gate: &mut Gate, stream: StreamId, told: &Told) {
    assert_eq!(gate.request(NOW_MS, stream, told), Disposition::Pause);
}

fn one_call(gate: &mut Gate) -> Call {
    let mut calls = gate.ready(NOW_MS);
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.remove(0)
}

fn decide(gate: &mut Gate, admitted: bool, left: u64) -> Vec<Release> {
    let call = one_call(gate);
    let body = answered(&call, admitted, left);
    gate.reply(NOW_MS, CallKind::Decide, genuinely(&body))
}

fn settles_sent(gate: &mut Gate) -> Vec<Settle> {
    let call = one_call(gate);
    assert_eq!(call.kind, CallKind::Settle);
    serde_json::from_slice::<SettleBody>(&call.body).unwrap().settles
}

/// An answer as a client sees it.
fn shown(disposition: &Disposition) -> String {
    let Disposition::Answer(answer) = disposition else { return format!("{disposition:?}") };
    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let body = String::from_utf8_lossy(&answer.body);
    format!("{}\n{}\n{body}\n\n{}", answer.status, headers.collect::<String>(), answer.summary)
}

#[test]
fn an_exempt_request_passes_at_once() {
    let passed = gate().request(NOW_MS, 1, &Told::get("/health"));
    assert_eq!(passed, Disposition::Pass("exempt rule=0".to_owned()));
}

#[test]
fn a_path_that_cannot_be_read_is_refused() {
    insta::assert_snapshot!(shown(&gate().request(NOW_MS, 1, &Told::get("/a%2fb"))), @r#"
400
content-type: application/problem+json

{"type":"about:blank","title":"Bad path","status":400,"detail":"the path has an escaped slash or backslash: send it in its plain form."}

refused path="the path has an escaped slash or backslash"
"#);
}

#[test]
fn an_admitted_request_passes_and_its_response_says_what_is_left() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::post("/api/ai/x").user("42", "free"));
    let released = decide(&mut gate, true, 9);
    let summary = "admitted rule=2 ai=9 ai_daily=9".to_owned();
    assert_eq!(released, [Release { stream: 1, disposition: Disposition::Pass(summary) }]);
    let headers = gate.response(1, Outcome { status: 200, is_cache_hit: false });
    insta::assert_snapshot!(format!("{headers:#?}"), @r#"
[
    (
        "x-ratelimit-limit",
        "10",
    ),
    (
        "x-ratelimit-remaining",
        "9",
    ),
    (
        "x-ratelimit-reset",
        "42",
    ),
    (
        "ratelimit-policy",
        "\"ai\";q=10;w=60, \"ai_daily\";q=10;w=86400",
    ),
    (
        "ratelimit",
        "\"ai\";r=9;t=42, \"ai_daily\";r=9;t=42",
    ),
]
"#);
    assert_eq!(gate.response(1, Outcome { status: 200, is_cache_hit: false }), [], "once");
}

#[test]
fn a_denied_request_is_told_why_and_for_how_long() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::post("/api/auth/login"));
    let released = decide(&mut gate, false, 0);
    insta::assert_snapshot!(shown(&released.first().unwrap().disposition), @r#"
429
retry-after: 42
x-ratelimit-limit: 5
x-ratelimit-remaining: 0
x-ratelimit-reset: 42
ratelimit-policy: "auth";q=5;w=60
ratelimit: "auth";r=0;t=42
content-type: application/problem+json

{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota exceeded","status":429,"detail":"The limit \"auth\" of 5 in any 60 s is used up. Retry in 42 s.","violated-policies":["auth"]}

denied rule=1 bucket=auth retry_after_ms=41500
"#);
    assert_eq!(gate.response(1, Outcome { status: 429, is_cache_hit: false }), []);
}

#[test]
fn requests_gather_while_a_call_is_under_way() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::get("/"));
    assert!(gate.take_wake());
    assert!(!gate.take_wake(), "one wake is enough");
    let first = one_call(&mut gate);
    for stream in 2..=4 {
        arrive(&mut gate, stream, &Told::get("/"));
        assert!(!gate.take_wake(), "the reply will see to it");
    }
    assert_eq!(gate.ready(NOW_MS), [], "one call at a time");
    let body = answered(&first, true, 29);
    assert_eq!(gate.reply(NOW_MS, CallKind::Decide, genuinely(&body)).len(), 1);
    let second: DecideBody = serde_json::from_slice(&one_call(&mut gate).body).unwrap();
    assert_eq!(second.requests.len(), 3);
}

#[test]
fn a_batch_is_bounded() {
    let mut gate = gate();
    for stream in 0..3_000 {
        arrive(&mut gate, stream, &Told::get("/"));
    }
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 3_000 {
        let call = one_call(&mut gate);
        assert!(call.body.len() <= wire::MAX_BODY_BYTES);
        let body = answered(&call, true, 1);
        sizes.push(gate.reply(NOW_MS, CallKind::Decide, genuinely(&body)).len());
    }
    assert_eq!(sizes, [1_024, 1_024, 952]);
}

#[test]
fn more_than_can_wait_is_decided_without_the_ledger() {
    let mut gate = gate();
    for stream in 0..u32::try_from(MAX_WAITING).unwrap() {
        arrive(&mut gate, stream, &Told::get("/"));
    }
    let passed = gate.request(NOW_MS, 10_001, &Told::get("/"));
    assert_eq!(passed, Disposition::Pass("degraded admitted rule=4".to_owned()));
}

#[test]
fn a_stream_that_leaves_before_the_call_is_not_charged() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::get("/"));
    gate.done(1);
    assert!(!gate.take_wake());
    assert_eq!(gate.ready(NOW_MS), []);
}

#[test]
fn a_stream_that_leaves_during_the_call_gets_its_charge_back() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::get("/"));
    arrive(&mut gate, 2, &Told::get("/"));
    let call = one_call(&mut gate);
    gate.done(1);
    let body = answered(&call, true, 29);
    let released = gate.reply(NOW_MS, CallKind::Decide, genuinely(&body));
    assert_eq!(released.iter().map(|release| release.stream).collect::<Vec<_>>(), [2]);
    let settles = settles_sent(&mut gate);
    assert_eq!(settles.len(), 1);
    assert_eq!(settles[0].decision, format!("{NOW_MS}-0"));
    assert_eq!(settles[0].charges[0].counter.bucket(), "public");
}

#[test]
fn a_denied_request_has_nothing_to_give_back() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::get("/"));
    let call = one_call(&mut gate);
    gate.done(1);
    let body = answered(&call, false, 0);
    assert_eq!(gate.reply(NOW_MS, CallKind::Decide, genuinely(&body)), []);
    assert_eq!(gate.ready(NOW_MS), []);
}

fn refunded(outcome: Outcome) -> Vec<String> {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    gate.response(1, outcome);
    if !gate.take_wake() {
        return Vec::new();
    }
    let settles = settles_sent(&mut gate);
    settles[0].charges.iter().map(|charge| charge.counter.bucket().to_owned()).collect()
}

#[test]
fn the_policy_says_which_outcomes_are_free() {
    let none: [&str; 0] = [];
    assert_eq!(refunded(Outcome { status: 200, is_cache_hit: false }), none);
    assert_eq!(refunded(Outcome { status: 200, is_cache_hit: true }), ["ai_daily"]);
    assert_eq!(refunded(Outcome { status: 503, is_cache_hit: false }), ["ai_daily"]);
    assert_eq!(refunded(Outcome { status: 404, is_cache_hit: false }), none);
}

#[test]
fn a_failed_settle_is_tried_again_a_few_times() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    gate.response(1, Outcome { status: 503, is_cache_hit: false });
    let first = settles_sent(&mut gate);
    for _ in 1..5 {
        gate.reply(NOW_MS, CallKind::Settle, Reply::default());
        assert_eq!(gate.ready(NOW_MS), [], "not at once");
        gate.tick(NOW_MS);
        assert_eq!(settles_sent(&mut gate), first, "the same ids");
    }
    gate.reply(NOW_MS, CallKind::Settle, Reply::default());
    gate.tick(NOW_MS);
    assert_eq!(gate.ready(NOW_MS), [], "given up");
}

#[test]
fn what_is_not_the_shim_s_reply_is_a_failure() {
    let mut gate = gate();
    let good = |gate: &mut Gate| {
        arrive(gate, 1, &Told::get("/"));
        let call = one_call(gate);
        answered(&call, false, 0)
    };
    let body = good(&mut gate);
    let two = answered_twice(&body);
    let impostors = [
        Reply::default(),
        Reply { status: Some(b"503"), ..genuinely(&body) },
        Reply { marker: None, ..genuinely(&body) },
        genuinely(b""),
        genuinely(b"[]"),
        genuinely(&two),
    ];
    for impostor in impostors {
        let released = gate.reply(NOW_MS, CallKind::Decide, impostor);
        let passed = Disposition::Pass("degraded admitted rule=4".to_owned());
        assert_eq!(released, [Release { stream: 1, disposition: passed }], "{impostor:?}");
        good(&mut gate);
    }
}

#[test]
fn a_request_that_could_not_be_decided_spoils_no_other() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::post("/api/auth/login"));
    arrive(&mut gate, 2, &Told::get("/"));
    let call = one_call(&mut gate);
    let mut reply: DecideReply = serde_json::from_slice(&answered(&call, true, 4)).unwrap();
    reply.decisions[0].admitted = false;
    reply.decisions[0].error = Some(wire::DecisionError::CostExceedsLimit);
    let body = serde_json::to_vec(&reply).unwrap();
    let released = gate.reply(NOW_MS, CallKind::Decide, genuinely(&body));
    let summaries: Vec<_> = released.iter().map(|release| shown(&release.disposition)).collect();
    assert_eq!(
        summaries,
        ["Pass(\"degraded admitted rule=1 auth=4\")", "Pass(\"admitted rule=4 public=4\")"]
    );
}

fn answered_twice(body: &[u8]) -> Vec<u8> {
    let mut reply: DecideReply = serde_json::from_slice(body).unwrap();
    reply.decisions.extend(reply.decisions.clone());
    serde_json::to_vec(&reply).unwrap()
}

#[test]
fn a_call_that_is_never_answered_is_given_up() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::get("/"));
    one_call(&mut gate);
    assert_eq!(gate.tick(NOW_MS + 1_049), []);
    assert_eq!(gate.tick(NOW_MS + 1_050).len(), 1);
    let late = gate.reply(NOW_MS + 2_000, CallKind::Decide, Reply::default());
    assert_eq!(late, [], "a late reply finds nobody");
}

#[test]
fn a_quota_that_must_be_counted_refuses_while_it_cannot_be() {
    let mut gate = gate();
    arrive(&mut gate, 1, &Told::post("/api/ai/x").user("42", "free"));
    one_call(&mut gate);
    let released = gate.reply(NOW_MS, CallKind::Decide, Reply::default());
    insta::assert_snapshot!(shown(&released.first().unwrap().disposition), @r#"
503
retry-after: 1
content-type: application/problem+json

{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","title":"Temporary reduced capacity","status":503,"detail":"The quota \"ai_daily\" cannot be checked at the moment. Retry in 1 s."}

degraded refused rule=2 bucket=ai_daily
"#);
}

#[test]
fn a_local_bucket_is_counted_here_while_the_ledger_is_away() {
    let mut gate = gate();
    let mut fail = |at_ms: u64, told: &Told| {
        assert_eq!(gate.request(at_ms, 1, told), Disposition::Pause);
        gate.ready(at_ms);
        gate.reply(at_ms, CallKind::Decide, Reply::default()).remove(0).disposition
    };
    let login = Told::post("/api/auth/login");
    for left in (0..5).rev() {
        let summary = format!("degraded admitted rule=1 auth={left}");
        assert_eq!(fail(NOW_MS, &login), Disposition::Pass(summary));
    }
    insta::assert_snapshot!(shown(&fail(NOW_MS + 1_000, &login)), @r#"
429
retry-after: 59
x-ratelimit-limit: 5
x-ratelimit-remaining: 0
x-ratelimit-reset: 59
ratelimit-policy: "auth";q=5;w=60
ratelimit: "auth";r=0;t=59
content-type: application/problem+json

{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota exceeded","status":429,"detail":"The limit \"auth\" of 5 in any 60 s is used up. Retry in 59 s.","violated-policies":["auth"]}

degraded denied rule=1 bucket=auth retry_after_ms=59000
"#);
    let other = fail(NOW_MS, &login.clone().from("198.51.100.1:1"));
    assert_eq!(other, Disposition::Pass("degraded admitted rule=1 auth=4".to_owned()));
    let later = fail(NOW_MS + 60_000, &login);
    assert_eq!(later, Disposition::Pass("degraded admitted rule=1 auth=4".to_owned()));
}
