//! The gate's behavior when the ledger cannot answer.

use super::*;

fn allowed() -> Release {
    Release::Pass("degraded admitted rule=4".to_owned())
}

/// Sends a request at `now_ms` and lets its call fail. Returns the gate's decision.
fn fail(gate: &mut Gate, process: &Process, now_ms: u64, request: &FakeRequest) -> Release {
    let now_us = now_ms * 1_000;
    if let Some(known) = released(gate.request(now_us, 1, request, process)) {
        return known;
    }
    let calls = gate.ready(now_us);
    let call = calls.iter().find(|call| call.kind == CallKind::Decide).unwrap();
    gate.reply(now_us, call.id, CallKind::Decide, Reply::default(), process).remove(0).release
}

/// Returns a gate with an open breaker.
fn gate_with_open_breaker(process: &Process) -> Gate {
    let mut gate = gate();
    for _ in 0..3 {
        assert_eq!(fail(&mut gate, process, NOW_MS, &FakeRequest::get("/")), allowed());
    }
    gate
}

#[test]
fn a_reply_not_from_the_shim_is_a_failure() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    let body = shim_reply(&call, false, 0);
    let two = with_decisions_doubled(&body);
    reply(&mut gate, &call, Reply::default());
    let impostors = [
        Reply::default(),
        Reply { status: Some(b"503"), ..ok_reply(&body) },
        Reply { marker: None, ..ok_reply(&body) },
        ok_reply(b""),
        ok_reply(b"[]"),
        ok_reply(&two),
    ];
    for impostor in impostors {
        let mut gate = super::gate();
        arrive(&mut gate, 1, &FakeRequest::get("/"));
        let call = one_call(&mut gate);
        let released = reply(&mut gate, &call, impostor);
        assert_eq!(released, [Released { stream: 1, release: allowed() }], "{impostor:?}");
    }
}

fn with_decisions_doubled(body: &[u8]) -> Vec<u8> {
    let mut reply: DecideReply = serde_json::from_slice(body).unwrap();
    reply.decisions.extend(reply.decisions.clone());
    serde_json::to_vec(&reply).unwrap()
}

#[test]
fn an_unanswered_call_is_given_up() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    gate.tick(NOW_US + 1_050_000, &Process::default());
    arrive(&mut gate, 2, &FakeRequest::get("/"));
    one_call(&mut gate);
    let body = shim_reply(&call, true, 9);
    assert_eq!(reply(&mut gate, &call, ok_reply(&body)), [], "a late reply releases nothing");
}

#[test]
fn no_request_waits_longer_than_the_timeout() {
    let mut gate = gate();
    let process = Process::default();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    assert_eq!(
        gate.request(NOW_US + 30_000, 2, &FakeRequest::get("/"), &process),
        Disposition::Pause
    );
    assert_eq!(gate.tick(NOW_US + 49_999, &process), []);
    let of = |stream| Released { stream, release: allowed() };
    assert_eq!(gate.tick(NOW_US + 50_000, &process), [of(1)], "the request in the call under way");
    assert_eq!(gate.tick(NOW_US + 80_000, &process), [of(2)], "the request in the outbox");
    assert_eq!(gate.tick(NOW_US + 90_000, &process), []);
    let body = shim_reply(&call, true, 9);
    assert_eq!(reply(&mut gate, &call, ok_reply(&body)), []);
    assert_eq!(settles_sent(&mut gate).len(), 1, "its charge is given back");
}

#[test]
fn on_failure_deny_refuses_while_the_ledger_is_unavailable() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/ai/x").user("42", "free"));
    let call = one_call(&mut gate);
    let released = reply(&mut gate, &call, Reply::default());
    insta::assert_snapshot!(shown(&released.first().unwrap().release), @r#"
503
retry-after: 1
content-type: application/problem+json
tollgate-verdict: degraded

{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","title":"Temporary reduced capacity","status":503,"detail":"The quota \"ai_daily\" cannot be checked at the moment. Retry in 1 s.","instance":"urn:tollgate:counter:0d50e3a76d0329156d4beb092e865309"}

degraded refused rule=2 bucket=ai_daily counter=0d50e3a76d0329156d4beb092e865309
"#);
}

#[test]
fn on_failure_local_counts_across_all_workers() {
    let process = Process::default();
    let (mut one, mut other) = (gate(), gate());
    let login = FakeRequest::post("/api/auth/login");
    for left in (0..5).rev() {
        let summary = format!("degraded admitted rule=1 auth={left}");
        let gate = if left % 2 == 0 { &mut one } else { &mut other };
        assert_eq!(fail(gate, &process, NOW_MS, &login), Release::Pass(summary));
    }
    insta::assert_snapshot!(shown(&fail(&mut one, &process, NOW_MS + 1_000, &login)), @r#"
429
retry-after: 59
x-ratelimit-limit: 5
x-ratelimit-remaining: 0
x-ratelimit-reset: 59
ratelimit-policy: "auth";q=5;w=60
ratelimit: "auth";r=0;t=59
content-type: application/problem+json
tollgate-verdict: degraded

{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota exceeded","status":429,"detail":"The limit \"auth\" of 5 in any 60 s is used up. Retry in 59 s.","instance":"urn:tollgate:counter:06cf66c2381298c46aebb8340731c275","violated-policies":["auth"]}

degraded denied rule=1 bucket=auth retry_after_ms=59000 counter=06cf66c2381298c46aebb8340731c275
"#);
    let elsewhere = login.clone().from("198.51.100.1:1");
    let first = Release::Pass("degraded admitted rule=1 auth=4".to_owned());
    assert_eq!(fail(&mut one, &process, NOW_MS, &elsewhere), first);
    assert_eq!(fail(&mut other, &process, NOW_MS + 60_000, &login), first);
}

/// Shared data in which every page is taken: no write succeeds.
struct NoRoom;

impl SharedData for NoRoom {
    fn read(&self, _: &str) -> Option<(Vec<u8>, u32)> {
        None
    }

    fn write(&self, _: &str, _: &[u8], _: Option<u32>) -> bool {
        false
    }
}

#[test]
fn a_shadow_without_room_for_its_counter_refuses_nothing() {
    let check = |enforce: bool, expected: &str| {
        let policy = serde_json::json!({
            "version": 1,
            "keys": { "client": { "client_ip": {} } },
            "buckets": { "b": {
                "key": "client", "limit": 5, "window": "1m",
                "on_failure": "local", "enforce": enforce,
            } },
            "rules": [{ "charge": ["b"] }],
        });
        let mut gate = Gate::new(Policy::from_value(policy).unwrap());
        arrive(&mut gate, 1, &FakeRequest::get("/"));
        let call = one_call(&mut gate);
        let released = gate.reply(NOW_US, call.id, call.kind, Reply::default(), &NoRoom);
        assert!(format!("{released:?}").contains(expected), "{released:?}");
    };
    check(true, "degraded refused rule=0 bucket=b");
    check(false, "degraded admitted rule=0");
}

#[test]
fn degraded_responses_are_marked() {
    let mut gate = gate();
    fail(&mut gate, &Process::default(), NOW_MS, &FakeRequest::get("/"));
    let headers =
        respond(&mut gate, NOW_US, 1, Outcome { status: 200, is_cache_hit: false }).headers;
    assert_eq!(headers, [("tollgate-verdict", "degraded".to_owned())]);
    assert_eq!(counted(&mut gate, "tollgate.requests.verdict=degraded"), 1);
}

#[test]
fn after_repeated_failures_no_request_waits() {
    let process = Process::default();
    let mut gate = gate();
    let home = FakeRequest::get("/");
    fail(&mut gate, &process, NOW_MS, &home);
    fail(&mut gate, &process, NOW_MS, &home);
    arrive(&mut gate, 7, &home);
    let call = one_call(&mut gate);
    arrive(&mut gate, 8, &home);
    let released = reply(&mut gate, &call, Reply::default());
    assert_eq!(released.len(), 2, "includes the request in the outbox: {released:?}");
    assert_eq!(ask(&mut gate, NOW_MS, 9, &home), Some(allowed()));
    assert_eq!(gate.ready(NOW_US), []);
    let samples = gate.take_samples();
    let open = samples.iter().find(|sample| sample.kind == MetricKind::Gauge).unwrap();
    assert_eq!((gate.metric_name(open.metric).as_str(), open.amount), ("tollgate.breaker.open", 1));
}

#[test]
fn a_shim_that_never_answers_is_counted_until_it_does_or_the_gate_closes() {
    let name = "tollgate.shim.unanswered";
    let process = Process::default();
    let unanswered = || {
        let mut gate = gate_with_open_breaker(&process);
        assert_eq!(counted(&mut gate, name), 1);
        let warning = gate.take_warning(NOW_US).unwrap();
        assert!(warning.contains("the cluster \"tollgate\""), "{warning}");
        gate
    };
    let mut gate = unanswered();
    gate.close(NOW_US);
    assert_eq!(counted(&mut gate, name), -1);

    let mut gate = unanswered();
    let probe = gate.ready(NOW_US + 500_000).pop().unwrap();
    assert_eq!(probe.kind, CallKind::Probe);
    reply(&mut gate, &probe, ok_reply(b"{}"));
    assert_eq!(counted(&mut gate, name), -1);
    assert_eq!(gate.take_warning(NOW_US + 60_000_000), None);
}

/// Returns a gate with one call under way for each of `streams`.
fn gate_with_calls(streams: std::ops::RangeInclusive<StreamId>) -> (Gate, Vec<Call>) {
    let mut gate = gate();
    let calls = streams.flat_map(|stream| {
        arrive(&mut gate, stream, &FakeRequest::get("/"));
        gate.ready(NOW_US)
    });
    let calls = calls.collect();
    (gate, calls)
}

/// Sends a request and lets its call fail. Returns the number of requests released.
fn ask_and_fail(gate: &mut Gate, stream: StreamId) -> usize {
    arrive(gate, stream, &FakeRequest::get("/"));
    let call = one_call(gate);
    reply(gate, &call, Reply::default()).len()
}

#[test]
fn calls_failing_together_count_as_one_failure() {
    let (mut gate, calls) = gate_with_calls(1..=4);
    for call in &calls {
        assert_eq!(reply(&mut gate, call, Reply::default()).len(), 1);
    }
    for stream in 5..=6 {
        assert_eq!(ask_and_fail(&mut gate, stream), 1);
    }
    let passed = ask(&mut gate, NOW_MS, 7, &FakeRequest::get("/"));
    assert_eq!(passed, Some(allowed()), "three consecutive failures");
}

#[test]
fn a_hanging_ledger_opens_the_breaker_even_if_calls_overlap() {
    let (mut gate, calls) = gate_with_calls(1..=4);
    let mut under_way = std::collections::VecDeque::from(calls);
    let mut failures = 0;
    for stream in 5..20 {
        reply(&mut gate, &under_way.pop_front().unwrap(), Reply::default());
        failures += 1;
        if ask(&mut gate, NOW_MS, stream, &FakeRequest::get("/")) == Some(allowed()) {
            break;
        }
        under_way.push_back(one_call(&mut gate));
    }
    // With four calls under way, one failure in four counts: the breaker opens after the ninth.
    assert_eq!(failures, 9);
}

#[test]
fn calls_lost_together_count_as_one_failure() {
    let (mut gate, _calls) = gate_with_calls(1..=4);
    // The clock steps back further than any timer's wait, so all of them are due.
    let released = gate.tick(NOW_US - 10_000_000, &Process::default());
    assert_eq!(released.len(), 4);
    arrive(&mut gate, 5, &FakeRequest::get("/"));
}

#[test]
fn an_opening_breaker_releases_the_requests_of_all_calls() {
    let mut gate = gate();
    (1..=2).for_each(|stream| assert_eq!(ask_and_fail(&mut gate, stream), 1));
    let calls: Vec<Call> = (3..=4)
        .map(|stream| {
            arrive(&mut gate, stream, &FakeRequest::get("/"));
            one_call(&mut gate)
        })
        .collect();
    let released = reply(&mut gate, &calls[0], Reply::default());
    let streams: Vec<StreamId> = released.iter().map(|release| release.stream).collect();
    assert_eq!(streams, [4, 3], "both are released");
    let body = shim_reply(&calls[1], true, 9);
    assert_eq!(reply(&mut gate, &calls[1], ok_reply(&body)), [], "a late reply releases nothing");
    assert!(!gate.is_idle(NOW_US), "its charge is given back");
}

#[test]
fn the_ledger_is_probed_until_it_answers() {
    let process = Process::default();
    let mut gate = gate_with_open_breaker(&process);
    let mut probe = |now_ms: u64, reply: Reply<'_>| {
        let calls = gate.ready(now_ms * 1_000);
        let [call] = calls.as_slice() else { return false };
        assert_eq!((call.kind, call.body.as_slice()), (CallKind::Probe, b"".as_slice()));
        gate.reply(now_ms * 1_000, call.id, CallKind::Probe, reply, &process);
        true
    };
    assert!(!probe(NOW_MS + 499, Reply::default()));
    assert!(probe(NOW_MS + 500, Reply::default()));
    assert!(!probe(NOW_MS + 999, Reply::default()));
    let impostor = Reply { marker: None, ..ok_reply(b"") };
    assert!(probe(NOW_MS + 1_000, impostor));
    assert!(probe(NOW_MS + 1_500, ok_reply(b"")));
    assert!(!probe(NOW_MS + 2_000, ok_reply(b"")));
    assert_eq!(
        gate.request((NOW_MS + 1_500) * 1_000, 1, &FakeRequest::get("/"), &process),
        Disposition::Pause
    );
}

#[test]
fn settles_wait_until_the_ledger_is_back() {
    let process = Process::default();
    let mut gate = gate();
    arrive(&mut gate, 5, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    (0..3).for_each(|_| drop(fail(&mut gate, &process, NOW_MS, &FakeRequest::get("/"))));
    let response = respond(&mut gate, NOW_US, 5, Outcome { status: 503, is_cache_hit: false });
    assert!(!response.wakes && !gate.take_wake(NOW_US));
    let later_us = NOW_US + 60_000_000;
    let calls = gate.ready(later_us);
    let probe = calls.first().unwrap();
    assert_eq!((calls.len(), probe.kind), (1, CallKind::Probe));
    gate.reply(later_us, probe.id, CallKind::Probe, ok_reply(b""), &process);
    let kinds: Vec<_> = gate.ready(later_us).iter().map(|call| call.kind).collect();
    assert_eq!(kinds, [CallKind::Settle]);
}

#[test]
fn requests_beyond_the_outbox_are_decided_without_the_ledger() {
    let mut gate = gate();
    for stream in 0..u64::try_from(MAX_WAITING).unwrap() {
        arrive(&mut gate, stream, &FakeRequest::get("/"));
    }
    assert_eq!(ask(&mut gate, NOW_MS, 10_001, &FakeRequest::get("/")), Some(allowed()));
}

#[test]
fn a_closing_gate_eventually_gives_up_on_the_ledger() {
    let process = Process::default();
    let mut gate = gate();
    arrive(&mut gate, 5, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    for _ in 0..3 {
        fail(&mut gate, &process, NOW_MS, &FakeRequest::get("/"));
    }
    respond(&mut gate, NOW_US, 5, Outcome { status: 503, is_cache_hit: false });
    gate.close(NOW_US);
    assert_eq!(counted(&mut gate, "tollgate.breaker.open"), 0, "opened, then removed");
    assert!(!gate.is_idle(NOW_US + 29_999_000));
    assert!(gate.is_idle(NOW_US + 30_000_000));
}
