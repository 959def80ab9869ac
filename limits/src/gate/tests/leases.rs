//! Decisions without a call: leases, and counters that denied a moment ago.

use super::*;

const LEASE_MS: u64 = 468;

/// Returns a gate with a single bucket of a high limit, which refunds server errors.
fn high_limit_gate() -> Gate {
    let policy = serde_json::json!({
        "version": 1,
        "shim": { "cluster": "tollgate", "timeout": "50ms" },
        "keys": { "client": { "client_ip": {} } },
        "buckets": { "public": {
            "key": "client", "limit": 1000, "window": "1m", "refund": ["server_error"],
        } },
        "rules": [{ "charge": ["public"] }],
    });
    Gate::new(Policy::from_value(policy).unwrap())
}

/// Returns a gate whose requests are also charged to a bucket of a low limit, which has no leases.
fn mixed_gate() -> Gate {
    let policy = serde_json::json!({
        "version": 1,
        "keys": { "client": { "client_ip": {} } },
        "buckets": {
            "busy": { "key": "client", "limit": 1000, "window": "1m" },
            "exact": { "key": "client", "limit": 100, "window": "1m" },
        },
        "rules": [{ "charge": ["busy", "exact"] }],
    });
    Gate::new(Policy::from_value(policy).unwrap())
}

/// Builds the shim's reply to the only request of `call`, with a lease of `granted`.
fn lease_reply(call: &Call, left: u64, granted: u64) -> Vec<u8> {
    let mut reply: DecideReply = serde_json::from_slice(&shim_reply(call, true, left)).unwrap();
    let outcome = reply.decisions.first_mut().unwrap().charges.first_mut().unwrap();
    outcome.lease = Some(LeaseGrant { granted, lease_ms: LEASE_MS });
    serde_json::to_vec(&reply).unwrap()
}

/// Sends requests until one asks for a lease, and returns its call.
fn call_asking_for_lease(gate: &mut Gate) -> Call {
    for stream in 0..100 {
        arrive(gate, stream, &FakeRequest::get("/"));
        let call = one_call(gate);
        let body: DecideBody = serde_json::from_slice(&call.body).unwrap();
        if body.requests[0].charges[0].lease.is_some() {
            return call;
        }
        let body = shim_reply(&call, true, 900);
        reply(gate, &call, ok_reply(&body));
    }
    panic!("no request asked for a lease");
}

/// Returns a gate that holds a lease of `granted`.
fn gate_with_lease(granted: u64) -> Gate {
    let mut gate = high_limit_gate();
    let call = call_asking_for_lease(&mut gate);
    let body = lease_reply(&call, 800, granted);
    assert_eq!(reply(&mut gate, &call, ok_reply(&body)).len(), 1);
    gate
}

fn spent(left: u64) -> Option<Release> {
    Some(Release::Pass(format!("admitted rule=0 public={left} by=lease")))
}

fn gave_back(settles: &[Settle]) -> Vec<(u64, Option<u64>)> {
    let parts = settles.iter().flat_map(|settle| &settle.charges);
    parts
        .map(|charge| match charge.amount {
            wire::SettleAmount::GiveBack(amount) => {
                (amount.get(), charge.lease_ms.map(WindowMs::get))
            }
            wire::SettleAmount::Charge(_) => panic!("unexpected charge"),
        })
        .collect()
}

#[test]
fn a_leased_counter_needs_no_call() {
    let mut gate = gate_with_lease(2);
    assert_eq!(ask(&mut gate, NOW_MS, 200, &FakeRequest::get("/")), spent(801));
    assert_eq!(ask(&mut gate, NOW_MS, 201, &FakeRequest::get("/")), spent(800));
    assert!(!gate.take_wake(NOW_US));
    arrive(&mut gate, 202, &FakeRequest::get("/"));
    let headers =
        respond(&mut gate, NOW_US, 200, Outcome { status: 200, is_cache_hit: false }).headers;
    assert!(headers.contains(&("x-ratelimit-remaining", "801".to_owned())), "{headers:?}");
    assert_eq!(counted(&mut gate, "tollgate.leases.spent"), 2);
}

/// Such a lease could not be spent, and would keep its part of the limit from others.
#[test]
fn no_lease_is_requested_beside_a_charge_that_has_none() {
    let mut gate = mixed_gate();
    for stream in 0..100 {
        arrive(&mut gate, stream, &FakeRequest::get("/"));
        let call = one_call(&mut gate);
        let body: DecideBody = serde_json::from_slice(&call.body).unwrap();
        assert!(body.requests[0].charges.iter().all(|charge| charge.lease.is_none()));
        let body = shim_reply(&call, true, 900);
        reply(&mut gate, &call, ok_reply(&body));
    }
}

#[test]
fn a_lease_does_not_cover_other_clients() {
    let mut gate = gate_with_lease(2);
    arrive(&mut gate, 200, &FakeRequest::get("/").from("198.51.100.1:1"));
}

#[test]
fn an_ended_lease_gives_back_its_unspent_rest() {
    let mut gate = gate_with_lease(5);
    assert_eq!(ask(&mut gate, NOW_MS, 200, &FakeRequest::get("/")), spent(804));
    let end_us = NOW_US + LEASE_MS * 1_000;
    gate.tick(end_us - 1, &Process::default());
    assert!(!gate.take_wake(end_us - 1));
    gate.tick(end_us, &Process::default());
    assert!(gate.take_wake(end_us));
    assert_eq!(gave_back(&settles_sent(&mut gate)), [(4, Some(LEASE_MS))]);
    assert_eq!(counted(&mut gate, "tollgate.leases.returned"), 4);
}

#[test]
fn a_refunded_part_of_a_lease_can_be_spent_again() {
    let mut gate = gate_with_lease(1);
    let failed = Outcome { status: 503, is_cache_hit: false };
    assert_eq!(ask(&mut gate, NOW_MS, 200, &FakeRequest::get("/")), spent(800));
    let response = respond(&mut gate, NOW_US, 200, failed);
    assert!(!response.wakes && !gate.take_wake(NOW_US), "nothing to settle");
    assert_eq!(ask(&mut gate, NOW_MS, 201, &FakeRequest::get("/")), spent(800));
    let end_us = NOW_US + LEASE_MS * 1_000;
    gate.tick(end_us, &Process::default());
    respond(&mut gate, end_us, 201, failed);
    assert_eq!(gave_back(&settles_sent(&mut gate)), [(1, Some(LEASE_MS))]);
}

#[test]
fn settles_of_one_lease_have_distinct_ids() {
    let mut gate = gate_with_lease(2);
    let failed = Outcome { status: 503, is_cache_hit: false };
    (200..202).for_each(|stream| drop(ask(&mut gate, NOW_MS, stream, &FakeRequest::get("/"))));
    let end_us = NOW_US + LEASE_MS * 1_000;
    gate.tick(end_us, &Process::default());
    (200..202).for_each(|stream| drop(respond(&mut gate, end_us, stream, failed)));
    let settles = settles_sent(&mut gate);
    let ids: Vec<_> = settles.iter().map(|settle| settle.id.as_str()).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids.first(), ids.get(1));
}

#[test]
fn a_closing_gate_gives_back_its_leases_and_takes_no_more() {
    let mut gate = gate_with_lease(5);
    gate.close(NOW_US);
    assert!(!gate.is_idle(NOW_US));
    let call = one_call(&mut gate);
    reply(&mut gate, &call, ok_reply(b"{}"));
    assert!(gate.is_idle(NOW_US));
    arrive(&mut gate, 200, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    let body = lease_reply(&call, 800, 7);
    reply(&mut gate, &call, ok_reply(&body));
    assert_eq!(gave_back(&settles_sent(&mut gate)), [(7, Some(LEASE_MS))]);
}

#[test]
fn a_lease_is_kept_if_its_request_has_ended() {
    let mut gate = high_limit_gate();
    let call = call_asking_for_lease(&mut gate);
    (0..100).for_each(|stream| _ = gate.done(stream));
    let body = lease_reply(&call, 800, 3);
    assert_eq!(reply(&mut gate, &call, ok_reply(&body)), []);
    assert_eq!(gave_back(&settles_sent(&mut gate)), [(1, None)], "its own charge");
    assert_eq!(ask(&mut gate, NOW_MS, 200, &FakeRequest::get("/")), spent(802));
}

#[test]
fn leases_are_spent_while_the_ledger_is_unavailable() {
    let mut gate = gate_with_lease(1);
    let process = Process::default();
    for stream in 200..203 {
        let request = FakeRequest::get("/").from("198.51.100.1:1");
        assert_eq!(gate.request(NOW_US, stream, &request, &process), Disposition::Pause);
        let call = one_call(&mut gate);
        reply(&mut gate, &call, Reply::default());
    }
    assert_eq!(ask(&mut gate, NOW_MS, 204, &FakeRequest::get("/")), spent(800));
    let next = ask(&mut gate, NOW_MS, 205, &FakeRequest::get("/"));
    assert_eq!(next, Some(Release::Pass("degraded admitted rule=0 public=999".to_owned())));
}

#[test]
fn a_recent_denial_is_repeated_without_a_call() {
    let mut gate = gate();
    let login = FakeRequest::post("/api/auth/login");
    arrive(&mut gate, 1, &login);
    decide(&mut gate, false, 0);
    let again = ask(&mut gate, NOW_MS + 400, 2, &login).unwrap();
    insta::assert_snapshot!(shown(&again), @r#"
429
retry-after: 42
x-ratelimit-limit: 5
x-ratelimit-remaining: 0
x-ratelimit-reset: 42
ratelimit-policy: "auth";q=5;w=60
ratelimit: "auth";r=0;t=42
content-type: application/problem+json

{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota exceeded","status":429,"detail":"The limit \"auth\" of 5 in any 60 s is used up. Retry in 42 s.","instance":"urn:tollgate:counter:06cf66c2381298c46aebb8340731c275","violated-policies":["auth"]}

denied rule=1 bucket=auth retry_after_ms=41100 counter=06cf66c2381298c46aebb8340731c275 by=denied_before
"#);
    assert_eq!(counted(&mut gate, "tollgate.denied_before.hits"), 1);
    arrive(&mut gate, 3, &login.clone().from("198.51.100.1:1"));
    assert_eq!(ask(&mut gate, NOW_MS + 1_000, 4, &login), None);
}

#[test]
fn a_denial_is_forgotten_when_a_settle_of_its_counter_arrives() {
    let mut gate = high_limit_gate();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    decide(&mut gate, true, 0);
    arrive(&mut gate, 2, &FakeRequest::get("/"));
    decide(&mut gate, false, 0);
    assert!(matches!(ask(&mut gate, NOW_MS, 3, &FakeRequest::get("/")), Some(Release::Refuse(_))));
    respond(&mut gate, NOW_US, 1, Outcome { status: 503, is_cache_hit: false });
    let settle = one_call(&mut gate);
    assert!(matches!(ask(&mut gate, NOW_MS, 4, &FakeRequest::get("/")), Some(Release::Refuse(_))));
    reply(&mut gate, &settle, ok_reply(b"{}"));
    assert_eq!(ask(&mut gate, NOW_MS, 5, &FakeRequest::get("/")), None);
}

#[test]
fn parts_of_a_lease_are_settled_with_their_running_total() {
    let mut gate = gate_with_lease(3);
    let failed = Outcome { status: 503, is_cache_hit: false };
    (200..202).for_each(|stream| drop(ask(&mut gate, NOW_MS, stream, &FakeRequest::get("/"))));
    let end_us = NOW_US + LEASE_MS * 1_000;
    gate.tick(end_us, &Process::default());
    (200..202).for_each(|stream| drop(respond(&mut gate, end_us, stream, failed)));
    let settles = settles_sent(&mut gate);
    let lease_ms = Some(LEASE_MS);
    assert_eq!(gave_back(&settles), [(1, lease_ms), (2, lease_ms), (3, lease_ms)]);
    let charged = settles.iter().map(|settle| settle.charges[0].charged.get());
    assert_eq!(charged.collect::<Vec<_>>(), [3, 3, 3], "the grant");
    assert_eq!(counted(&mut gate, "tollgate.leases.returned"), 3);
}

#[test]
fn a_settle_s_id_is_the_decision_id_without_seals() {
    let mut gate = high_limit_gate();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    let mut body: DecideReply = serde_json::from_slice(&shim_reply(&call, true, 5)).unwrap();
    body.decisions[0].id = "1790000000000-a-1.AAAAAAAAAAA".to_owned();
    reply(&mut gate, &call, ok_reply(&serde_json::to_vec(&body).unwrap()));
    respond(&mut gate, NOW_US, 1, Outcome { status: 503, is_cache_hit: false });
    let settles = settles_sent(&mut gate);
    assert_eq!(settles[0].decision, "1790000000000-a-1.AAAAAAAAAAA");
    assert_eq!(settles[0].id, "1790000000000-a-1");
}

#[test]
fn a_lease_is_spent_by_the_cost_and_never_beyond_its_grant() {
    let policy = serde_json::json!({
        "version": 1,
        "keys": { "client": { "client_ip": {} } },
        "buckets": { "public": {
            "key": "client", "limit": 1000, "window": "1m", "refund": ["server_error"],
        } },
        "rules": [{ "charge": [{ "bucket": "public", "cost": {
            "from": { "header": "x-cost" }, "max": 100, "otherwise": 1 } }] }],
    });
    let mut gate = Gate::new(Policy::from_value(policy).unwrap());
    let call = call_asking_for_lease(&mut gate);
    let body = lease_reply(&call, 800, 10);
    reply(&mut gate, &call, ok_reply(&body));
    let costing = |cost| FakeRequest::get("/").with("x-cost", cost);
    let pass = |text: &str| Some(Release::Pass(format!("admitted rule=0 public={text} by=lease")));
    assert_eq!(ask(&mut gate, NOW_MS, 200, &costing("7")), pass("803/cost=7"));
    // What is left of the lease is not enough for this one, so the ledger decides it.
    arrive(&mut gate, 201, &costing("4"));
    let call = one_call(&mut gate);
    let sent: DecideBody = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(sent.requests[0].charges[0].cost.get(), 4);
    // A refund puts the whole cost back into the lease.
    respond(&mut gate, NOW_US, 200, Outcome { status: 500, is_cache_hit: false });
    assert_eq!(ask(&mut gate, NOW_MS, 202, &costing("10")), pass("800/cost=10"));
    arrive(&mut gate, 203, &costing("1"));
}
