//! Costs, limits of 0 and unlimited buckets.

use super::*;
use crate::ledger::NEVER;
use serde_json::json;

/// Builds a gate whose rules charge as in `charges`: a path each.
fn priced(buckets: serde_json::Value, charges: &[(&str, serde_json::Value)]) -> Gate {
    let rules: Vec<_> = charges
        .iter()
        .map(|(path, charge)| json!({ "match": { "paths": [path] }, "charge": charge }))
        .collect();
    let policy = json!({
        "version": 1,
        "keys": { "client": { "client_ip": {} } },
        "buckets": buckets,
        "rules": rules,
    });
    Gate::new(Policy::from_value(policy).unwrap())
}

fn sent(call: &Call) -> Vec<(String, u64)> {
    let body: DecideBody = serde_json::from_slice(&call.body).unwrap();
    let charges = body.requests.iter().flat_map(|request| &request.charges);
    charges.map(|charge| (charge.counter.bucket().to_owned(), charge.cost.get())).collect()
}

fn header_cost() -> serde_json::Value {
    json!([{ "bucket": "ai", "cost": { "from": { "header": "x-cost" }, "min": 0, "max": 50, "otherwise": 2 } }])
}

fn ai(limit: u64) -> serde_json::Value {
    json!({ "ai": { "key": "client", "limit": limit, "window": "1m", "refund": ["server_error"] } })
}

#[test]
fn a_cost_is_sent_logged_and_given_back_as_a_whole() {
    let mut gate = priced(ai(100), &[("/**", header_cost())]);
    arrive(&mut gate, 1, &FakeRequest::get("/").with("x-cost", "7"));
    let call = one_call(&mut gate);
    assert_eq!(sent(&call), [("ai".to_owned(), 7)]);
    let body = shim_reply(&call, true, 93);
    let released = reply(&mut gate, &call, ok_reply(&body));
    let summary = "admitted rule=0 ai=93/cost=7".to_owned();
    assert_eq!(released, [Released { stream: 1, release: Release::Pass(summary) }]);
    respond(&mut gate, NOW_US, 1, Outcome { status: 500, is_cache_hit: false });
    let settles = settles_sent(&mut gate);
    let back = &settles[0].charges[0];
    assert_eq!(
        (back.amount, back.charged.get()),
        (wire::SettleAmount::GiveBack(Limit::clamped(7)), 7)
    );
}

#[test]
fn a_cost_of_0_charges_nothing() {
    let mut gate = priced(ai(100), &[("/**", header_cost())]);
    let passed = ask(&mut gate, NOW_MS, 1, &FakeRequest::get("/").with("x-cost", "0"));
    assert_eq!(passed, Some(Release::Pass("exempt rule=0".to_owned())));
    assert_eq!(counted(&mut gate, "tollgate.requests.verdict=exempt"), 1);
}

/// Replies to the only call: the first charge does not fit for `wait_ms` and has `left` left.
fn deny(gate: &mut Gate, left: u64, wait_ms: u64) -> String {
    let call = one_call(gate);
    let mut replied: DecideReply = serde_json::from_slice(&shim_reply(&call, false, left)).unwrap();
    let decision = &mut replied.decisions[0];
    decision.charges[0].retry_after_ms = wait_ms;
    decision.retry_after_ms = if wait_ms == NEVER { 0 } else { wait_ms };
    decision.error = (wait_ms == NEVER).then_some(wire::DecisionError::CostExceedsLimit);
    let body = serde_json::to_vec(&replied).unwrap();
    shown(&reply(gate, &call, ok_reply(&body))[0].release)
}

#[test]
fn a_cost_that_does_not_fit_is_refused_with_what_is_left() {
    let mut gate = priced(ai(100), &[("/**", header_cost())]);
    arrive(&mut gate, 1, &FakeRequest::get("/").with("x-cost", "7"));
    insta::assert_snapshot!(deny(&mut gate, 3, 30_000), @r#"
429
retry-after: 30
x-ratelimit-limit: 100
x-ratelimit-remaining: 3
x-ratelimit-reset: 42
ratelimit-policy: "ai";q=100;w=60
ratelimit: "ai";r=3;t=42
content-type: application/problem+json

{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota exceeded","status":429,"detail":"The limit \"ai\" of 100 in any 60 s has 3 left, and the request costs 7. Retry in 30 s.","instance":"urn:tollgate:counter:c15c41ef9f8fefcac2006dafc9d025da","violated-policies":["ai"]}

denied rule=0 bucket=ai cost=7 retry_after_ms=30000 counter=c15c41ef9f8fefcac2006dafc9d025da
"#);
}

#[test]
fn a_cost_above_the_limit_can_never_be_admitted() {
    let mut gate = priced(ai(20), &[("/**", header_cost())]);
    let request = FakeRequest::get("/").with("x-cost", "21");
    arrive(&mut gate, 1, &request);
    let refused = deny(&mut gate, 20, NEVER);
    insta::assert_snapshot!(refused, @r#"
403
x-ratelimit-limit: 20
x-ratelimit-remaining: 20
x-ratelimit-reset: 42
ratelimit-policy: "ai";q=20;w=60
ratelimit: "ai";r=20;t=42
content-type: application/problem+json

{"type":"urn:tollgate:problem:cost-above-limit","title":"Cost above limit","status":403,"detail":"The request costs 21, and the limit \"ai\" is 20. Waiting does not help.","instance":"urn:tollgate:counter:c15c41ef9f8fefcac2006dafc9d025da","violated-policies":["ai"]}

denied rule=0 bucket=ai cost=21 limit=20 counter=c15c41ef9f8fefcac2006dafc9d025da
"#);
    let again = shown(&ask(&mut gate, NOW_MS + 500, 2, &request).unwrap());
    assert!(
        again.contains("bucket=ai cost=21 limit=20 counter=")
            && again.ends_with(" by=denied_before"),
        "{again}"
    );
    arrive(&mut gate, 3, &FakeRequest::get("/").with("x-cost", "20"));
}

#[test]
fn a_limit_of_0_refuses_without_the_ledger() {
    let bucket = |limit: u64, enforce| json!({ "key": "client", "limit": limit, "window": "1m", "enforce": enforce });
    let buckets =
        json!({ "ok": bucket(5, true), "none": bucket(0, true), "shadow": bucket(0, false) });
    let charges = [("/a", json!(["ok", "none", "shadow"])), ("/b", json!(["ok", "shadow"]))];
    let mut gate = priced(buckets, &charges);
    insta::assert_snapshot!(shown(&ask(&mut gate, NOW_MS, 1, &FakeRequest::get("/a")).unwrap()), @r#"
403
content-type: application/problem+json

{"type":"urn:tollgate:problem:forbidden","title":"Forbidden","status":403,"detail":"The policy does not allow this request: its limit \"none\" is 0.","violated-policies":["none"]}

denied rule=0 bucket=none limit=0
"#);
    assert_eq!(gate.take_log(NOW_US), ["denied rule=0 bucket=none limit=0"]);
    assert_eq!(counted(&mut gate, "tollgate.decisions.bucket=none.by=policy.verdict=denied"), 1);
    arrive(&mut gate, 2, &FakeRequest::get("/b"));
    assert_eq!(sent(&one_call(&mut gate)), [("ok".to_owned(), 1)]);
    assert_eq!(
        counted(&mut gate, "tollgate.decisions.bucket=shadow.by=policy.verdict=would_deny"),
        1
    );
}

#[test]
fn an_unlimited_bucket_is_counted_and_never_shown_or_refused() {
    let buckets = json!({ "ai": {
        "key": "client", "limit": "unlimited", "window": "1m", "on_failure": "deny",
    } });
    let mut gate = priced(buckets, &[("/**", json!(["ai"]))]);
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    let body = shim_reply(&call, true, (1 << 53) - 1);
    let released = reply(&mut gate, &call, ok_reply(&body));
    let summary = "admitted rule=0 ai=unlimited".to_owned();
    assert_eq!(released, [Released { stream: 1, release: Release::Pass(summary) }]);
    let response = respond(&mut gate, NOW_US, 1, Outcome { status: 200, is_cache_hit: false });
    assert_eq!(response.headers, []);
    // Without the ledger, it passes although its bucket says `deny`.
    arrive(&mut gate, 2, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    let released = reply(&mut gate, &call, Reply { status: None, ..ok_reply(b"") });
    let summary = "degraded admitted rule=0".to_owned();
    assert_eq!(released, [Released { stream: 2, release: Release::Pass(summary) }]);
}

#[test]
fn local_counting_charges_costs() {
    let mut buckets = ai(20);
    buckets["ai"]["on_failure"] = json!("local");
    let mut gate = priced(buckets, &[("/**", header_cost())]);
    let process = Process::default();
    let mut ask = |stream, cost| {
        let request = FakeRequest::get("/").with("x-cost", cost);
        let paused = gate.request(NOW_US, stream, &request, &process);
        assert_eq!(paused, Disposition::Pause);
        let call = one_call(&mut gate);
        let failed = Reply { status: None, ..ok_reply(b"") };
        shown(&gate.reply(NOW_US, call.id, call.kind, failed, &process)[0].release)
    };
    assert_eq!(ask(1, "15"), "Pass(\"degraded admitted rule=0 ai=5/cost=15\")");
    let refused = ask(2, "6");
    assert!(refused.starts_with("429") && refused.contains("has 5 left"), "{refused}");
    let refused = ask(3, "21");
    assert!(refused.starts_with("403") && refused.contains("costs 21"), "{refused}");
}
