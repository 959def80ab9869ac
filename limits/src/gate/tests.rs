use super::*;
use crate::counter::{CounterName, Identity};
use crate::headers::UpstreamHeaders;
use crate::plan::tests::{FakeRequest, shipped};
use crate::quota::{Limit, Quota, SlidingWindow, WindowMs};
use crate::wire::{
    self, Charge, ChargeOutcome, Cost, DecideBody, DecideReply, Decision, LeaseGrant, Settle,
    SettleBody,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

mod blocks;
mod conditions;
mod costs;
mod failure;
mod full;
mod leases;
mod refusals;

const NOW_MS: u64 = 1_790_000_000_000;
const NOW_US: u64 = NOW_MS * 1_000;

/// The shared data of a gateway process.
#[derive(Debug, Default)]
pub(super) struct Process {
    values: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    races: Cell<usize>,
}

impl Process {
    /// Makes the next `count` writes fail, as if another worker had written first.
    pub(super) fn lose_races(&self, count: usize) {
        self.races.set(count);
    }
}

impl SharedData for Process {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.values.borrow().get(name).cloned()
    }

    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        if self.races.get() > 0 {
            self.races.set(self.races.get() - 1);
            return false;
        }
        let mut values = self.values.borrow_mut();
        let found = values.get(name).map_or(0, |(_, version)| *version);
        let fits = version.is_none_or(|version| version == found);
        if fits {
            values.insert(name.to_owned(), (value.to_vec(), found + 1));
        }
        fits
    }
}

/// Returns a charge of 1 against `limit` per minute, for a payer called `name`.
pub(super) fn charge_of(name: &str, limit: u64) -> Charge {
    let identity = Identity::derive(b"", [name.as_bytes()]);
    let (limit, window_ms) = (Limit::clamped(limit), WindowMs::clamped(60_000));
    Charge {
        counter: CounterName::new(&identity, "bucket").unwrap(),
        quota: Quota::SlidingWindow(SlidingWindow { limit, window_ms }),
        cost: Cost::clamped(1),
        enforce: true,
        lease: None,
        block: None,
    }
}

pub(super) fn admitted_with(limit: u64, remaining: u64) -> ChargeOutcome {
    ChargeOutcome {
        admitted: true,
        limit,
        remaining,
        reset_ms: 5_000,
        retry_after_ms: 0,
        lease: None,
        blocked: false,
    }
}

pub(super) fn denied_for(retry_after_ms: u64) -> ChargeOutcome {
    let reset_ms = retry_after_ms;
    ChargeOutcome { admitted: false, remaining: 0, reset_ms, retry_after_ms, ..admitted_with(5, 0) }
}

/// Builds the shim's reply to `call`: every request gets `admitted`, every counter has `left` left.
fn shim_reply(call: &Call, admitted: bool, left: u64) -> Vec<u8> {
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
                blocked: false,
            })
            .collect(),
        error: None,
    });
    let reply = DecideReply { now_ms: NOW_MS, decisions: decisions.collect() };
    serde_json::to_vec(&reply).unwrap()
}

fn ok_reply(body: &[u8]) -> Reply<'_> {
    Reply { status: Some(b"200"), marker: Some(b"1"), body }
}

fn gate() -> Gate {
    Gate::new(shipped())
}

/// Sends `request` to the only worker of a process.
fn ask(gate: &mut Gate, now_ms: u64, stream: StreamId, request: &FakeRequest) -> Option<Release> {
    released(gate.request(now_ms * 1_000, stream, request, &Process::default()))
}

fn released(disposition: Disposition) -> Option<Release> {
    match disposition {
        Disposition::Pause => None,
        Disposition::Release(release) => Some(release),
    }
}

/// A response of the upstream.
struct FakeResponse {
    outcome: Outcome,
    headers: Vec<(&'static str, &'static str)>,
}

impl FakeResponse {
    fn with(outcome: Outcome) -> Self {
        Self { outcome, headers: Vec::new() }
    }

    fn status(status: u16, headers: &[(&'static str, &'static str)]) -> Self {
        let outcome = Outcome { status, is_cache_hit: false };
        Self { outcome, headers: headers.to_vec() }
    }
}

impl ResponseFacts for FakeResponse {
    fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        let found = self.headers.iter().find(|(found, _)| *found == name);
        found.map(|(_, value)| value.as_bytes().to_vec())
    }
}

/// A response that must not be read.
struct Unread;

impl ResponseFacts for Unread {
    fn outcome(&self) -> Outcome {
        panic!("nothing depends on the response")
    }

    fn header(&self, _name: &str) -> Option<Vec<u8>> {
        panic!("nothing depends on the response")
    }
}

/// Delivers the response of `stream`.
fn respond(gate: &mut Gate, now_us: u64, stream: StreamId, outcome: Outcome) -> Response {
    gate.response(stream, &FakeResponse::with(outcome), || now_us)
}

/// Delivers the reply to `call`.
fn reply(gate: &mut Gate, call: &Call, reply: Reply<'_>) -> Vec<Released> {
    gate.reply(NOW_US, call.id, call.kind, reply, &Process::default())
}

fn arrive(gate: &mut Gate, stream: StreamId, request: &FakeRequest) {
    assert_eq!(ask(gate, NOW_MS, stream, request), None);
}

/// Returns the gate's count of `name` since the last call.
fn counted(gate: &mut Gate, name: &str) -> i64 {
    let samples = gate.take_samples();
    let own = samples.iter().filter(|sample| gate.metric_name(sample.metric) == name);
    own.map(|sample| sample.amount).sum()
}

fn one_call(gate: &mut Gate) -> Call {
    let mut calls = gate.ready(NOW_US);
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.remove(0)
}

fn decide(gate: &mut Gate, admitted: bool, left: u64) -> Vec<Released> {
    let call = one_call(gate);
    let body = shim_reply(&call, admitted, left);
    reply(gate, &call, ok_reply(&body))
}

fn settles_sent(gate: &mut Gate) -> Vec<Settle> {
    let call = one_call(gate);
    assert_eq!(call.kind, CallKind::Settle);
    serde_json::from_slice::<SettleBody>(&call.body).unwrap().settles
}

/// Renders an answer as a client sees it.
fn shown(release: &Release) -> String {
    let Release::Refuse(answer) = release else { return format!("{release:?}") };
    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let body = String::from_utf8_lossy(&answer.body);
    format!("{}\n{}\n{body}\n\n{}", answer.status, headers.collect::<String>(), answer.summary)
}

#[test]
fn an_exempt_request_passes_at_once() {
    let mut policy = shipped();
    policy.rules[0].charge.clear();
    let mut gate = Gate::new(policy);
    let passed = ask(&mut gate, NOW_MS, 1, &FakeRequest::get("/health"));
    assert_eq!(passed, Some(Release::Pass("exempt rule=0".to_owned())));
}

#[test]
fn only_refusals_have_a_summary_without_filter_state() {
    let mut policy = Policy { filter_state: false, ..shipped() };
    policy.rules[0].charge.clear();
    let mut gate = Gate::new(policy);
    let exempt = ask(&mut gate, NOW_MS, 1, &FakeRequest::get("/health"));
    assert_eq!(exempt, Some(Release::Pass(String::new())));
    arrive(&mut gate, 2, &FakeRequest::get("/"));
    let admitted = decide(&mut gate, true, 4).remove(0).release;
    assert_eq!(admitted, Release::Pass(String::new()));
    let headers =
        respond(&mut gate, NOW_US, 2, Outcome { status: 200, is_cache_hit: false }).headers;
    assert!(headers.contains(&("x-ratelimit-remaining", "4".to_owned())), "{headers:?}");
    // The plugin's own log has it.
    arrive(&mut gate, 3, &FakeRequest::get("/"));
    let refused = decide(&mut gate, false, 0).remove(0).release;
    assert!(shown(&refused).contains("denied rule=4 bucket=public"), "{refused:?}");
}

#[test]
fn an_invalid_path_is_refused() {
    insta::assert_snapshot!(shown(&ask(&mut gate(), NOW_MS, 1, &FakeRequest::get("/a%2fb")).unwrap()), @r#"
400
content-type: application/problem+json

{"type":"about:blank","title":"Bad path","status":400,"detail":"the path has an escaped slash or backslash: send the path in its normal form."}

refused path="the path has an escaped slash or backslash"
"#);
}

#[test]
fn an_admitted_request_passes_and_its_response_carries_the_limits() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/ai/x").user("42", "free"));
    let released = decide(&mut gate, true, 9);
    let summary = "admitted rule=2 ai=9 ai_daily=9 ai_client=9".to_owned();
    assert_eq!(released, [Released { stream: 1, release: Release::Pass(summary) }]);
    let headers =
        respond(&mut gate, NOW_US, 1, Outcome { status: 200, is_cache_hit: false }).headers;
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
        "\"ai\";q=10;w=60, \"ai_daily\";q=10;w=86400, \"ai_client\";q=2000;w=86400",
    ),
    (
        "ratelimit",
        "\"ai\";r=9;t=42, \"ai_daily\";r=9;t=42, \"ai_client\";r=9;t=42",
    ),
]
"#);
    assert_eq!(
        respond(&mut gate, NOW_US, 1, Outcome { status: 200, is_cache_hit: false }).headers,
        [],
        "headers are added once"
    );
}

#[test]
fn a_denial_names_the_bucket_and_the_wait() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/auth/login"));
    let released = decide(&mut gate, false, 0);
    insta::assert_snapshot!(shown(&released.first().unwrap().release), @r#"
429
retry-after: 42
x-ratelimit-limit: 5
x-ratelimit-remaining: 0
x-ratelimit-reset: 42
ratelimit-policy: "auth";q=5;w=60
ratelimit: "auth";r=0;t=42
content-type: application/problem+json

{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota exceeded","status":429,"detail":"The limit \"auth\" of 5 in any 60 s is used up. Retry in 42 s.","instance":"urn:tollgate:counter:06cf66c2381298c46aebb8340731c275","violated-policies":["auth"]}

denied rule=1 bucket=auth retry_after_ms=41500 counter=06cf66c2381298c46aebb8340731c275
"#);
    assert_eq!(
        respond(&mut gate, NOW_US, 1, Outcome { status: 429, is_cache_hit: false }).headers,
        []
    );
}

/// Returns the number of requests in each of `calls`.
fn sizes(calls: &[Call]) -> Vec<usize> {
    let size =
        |call: &Call| serde_json::from_slice::<DecideBody>(&call.body).unwrap().requests.len();
    calls.iter().map(size).collect()
}

/// Sends `count` requests, then calls `ready` if the gate asks to be woken. Returns its calls.
fn arrive_many(gate: &mut Gate, first: StreamId, count: u64) -> Vec<Call> {
    (first..first + count).for_each(|stream| arrive(gate, stream, &FakeRequest::get("/")));
    if gate.take_wake(NOW_US) { gate.ready(NOW_US) } else { Vec::new() }
}

#[test]
fn the_queue_is_woken_once() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    assert!(gate.take_wake(NOW_US));
    assert!(!gate.take_wake(NOW_US));
    one_call(&mut gate);
    assert!(!gate.take_wake(NOW_US), "nothing is waiting");
}

#[test]
fn at_low_load_no_request_waits_for_another_s_reply() {
    let mut gate = gate();
    for stream in 1..=4 {
        assert_eq!(sizes(&arrive_many(&mut gate, stream, 1)), [1]);
    }
    assert_eq!(arrive_many(&mut gate, 5, 3), [], "at most four calls");
}

#[test]
fn at_high_load_requests_gather_while_a_call_is_under_way() {
    let mut gate = gate();
    let first = arrive_many(&mut gate, 1, 10);
    assert_eq!(sizes(&first), [10]);
    assert_eq!(arrive_many(&mut gate, 11, 4), [], "less than half as many");
    let second = arrive_many(&mut gate, 15, 1);
    assert_eq!(sizes(&second), [5]);
    assert_eq!(arrive_many(&mut gate, 16, 4), []);
    for (call, left) in [(&second, [0; 0].as_slice()), (&first, &[4])] {
        let body = shim_reply(&call[0], true, 29);
        assert_eq!(reply(&mut gate, &call[0], ok_reply(&body)).len(), sizes(call)[0]);
        assert_eq!(sizes(&gate.ready(NOW_US)), left, "the last reply sends the gathered requests");
    }
}

#[test]
fn a_batch_is_bounded() {
    let mut gate = gate();
    let calls = arrive_many(&mut gate, 0, 3_000);
    assert_eq!(sizes(&calls), [1_024, 1_024, 952]);
    for call in calls {
        assert!(call.body.len() <= wire::MAX_BODY_BYTES);
        let body = shim_reply(&call, true, 1);
        assert_eq!(reply(&mut gate, &call, ok_reply(&body)).len(), sizes(&[call])[0]);
    }
    assert!(gate.is_idle(NOW_US));
}

#[test]
fn a_stream_that_ends_before_the_call_is_not_charged() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    gate.done(1);
    assert!(!gate.take_wake(NOW_US));
    assert_eq!(gate.ready(NOW_US), []);
}

#[test]
fn a_stream_that_ends_during_the_call_is_refunded() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    arrive(&mut gate, 2, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    gate.done(1);
    let body = shim_reply(&call, true, 29);
    let released = reply(&mut gate, &call, ok_reply(&body));
    assert_eq!(released.iter().map(|release| release.stream).collect::<Vec<_>>(), [2]);
    let settles = settles_sent(&mut gate);
    assert_eq!(settles.len(), 1);
    assert_eq!(settles[0].decision, format!("{NOW_MS}-0"));
    assert_eq!(settles[0].charges[0].counter.bucket(), "public");
}

#[test]
fn a_denied_request_has_nothing_to_give_back() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    gate.done(1);
    let body = shim_reply(&call, false, 0);
    assert_eq!(reply(&mut gate, &call, ok_reply(&body)), []);
    assert_eq!(gate.ready(NOW_US), []);
}

fn refunded(outcome: Outcome) -> Vec<String> {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    if !respond(&mut gate, NOW_US, 1, outcome).wakes {
        return Vec::new();
    }
    let settles = settles_sent(&mut gate);
    settles[0].charges.iter().map(|charge| charge.counter.bucket().to_owned()).collect()
}

#[test]
fn the_policy_defines_which_outcomes_are_refunded() {
    let none: [&str; 0] = [];
    let quotas = ["ai_daily", "ai_client"];
    assert_eq!(refunded(Outcome { status: 200, is_cache_hit: false }), none);
    assert_eq!(refunded(Outcome { status: 200, is_cache_hit: true }), quotas);
    assert_eq!(refunded(Outcome { status: 503, is_cache_hit: false }), quotas);
    assert_eq!(refunded(Outcome { status: 401, is_cache_hit: false }), quotas);
    assert_eq!(refunded(Outcome { status: 404, is_cache_hit: false }), none);
}

#[test]
fn outcome_and_time_are_fetched_only_when_needed() {
    let mut policy = shipped();
    policy.upstream_headers = UpstreamHeaders::Replace;
    let mut gate = Gate::new(policy);
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    decide(&mut gate, true, 9);
    let response = gate.response(1, &Unread, || panic!("nothing is refunded"));
    assert!(!response.headers.is_empty());
    arrive(&mut gate, 2, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    let success = FakeResponse::status(200, &[]);
    gate.response(2, &success, || panic!("a success is not refunded"));
    let mut policy = shipped();
    policy.response_headers.clear();
    let mut gate = Gate::new(policy);
    arrive(&mut gate, 3, &FakeRequest::get("/"));
    decide(&mut gate, true, 9);
    let response = gate.response(3, &Unread, || panic!("no header is sent"));
    assert_eq!(response, Response::default());
}

#[test]
fn the_upstreams_own_headers_are_merged_once() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::get("/"));
    decide(&mut gate, true, 9);
    let denied = FakeResponse::status(429, &[("retry-after", "5")]);
    let response = gate.response(1, &denied, || panic!("no header holds a time"));
    assert_eq!(response.headers, [], "the upstream's 429 must not say that 9 are left");
    arrive(&mut gate, 2, &FakeRequest::get("/"));
    decide(&mut gate, true, 9);
    let fuller = FakeResponse::status(200, &[("x-ratelimit-remaining", "10")]);
    let response = gate.response(2, &fuller, || panic!("no header holds a time"));
    assert_eq!(response.headers.len(), 5);
    assert_eq!(gate.response(2, &Unread, || 0), Response::default());
}

#[test]
fn a_redirected_request_is_charged_once_and_refunded_by_its_last_response() {
    let mut gate = gate();
    let request = FakeRequest::post("/api/ai/x").user("42", "free");
    arrive(&mut gate, 1, &request);
    decide(&mut gate, true, 9);
    assert!(gate.done(1), "it got no response");
    let passed = Release::Pass("redirected".to_owned());
    assert_eq!(gate.redirected(2, Some(1)), passed);
    assert!(gate.ready(NOW_US).is_empty(), "nothing is asked");
    // A second redirect.
    assert!(gate.done(2));
    assert_eq!(gate.redirected(3, Some(2)), passed);
    let response = respond(&mut gate, NOW_US, 3, Outcome { status: 503, is_cache_hit: false });
    assert_eq!(response.headers.len(), 5);
    assert!(response.wakes);
    assert_eq!(settles_sent(&mut gate)[0].charges.len(), 2);
    assert!(!gate.done(3), "it got a response");
}

#[test]
fn a_redirected_request_of_another_gate_passes_without_headers() {
    let mut gate = gate();
    assert_eq!(gate.redirected(1, None), Release::Pass("redirected".to_owned()));
    assert_eq!(gate.response(1, &Unread, || 0), Response::default());
}

#[test]
fn an_exempt_or_refused_request_leaves_nothing_for_a_redirect() {
    let mut policy = shipped();
    policy.rules[0].charge.clear();
    let mut gate = Gate::new(policy);
    assert!(ask(&mut gate, NOW_MS, 1, &FakeRequest::get("/health")).is_some());
    assert!(!gate.done(1));
    arrive(&mut gate, 2, &FakeRequest::get("/"));
    decide(&mut gate, false, 0);
    assert!(!gate.done(2));
}

#[test]
fn a_refund_waits_for_a_status_in_the_trailers() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    let unknown = Outcome { status: Outcome::UNKNOWN, is_cache_hit: false };
    let response =
        gate.response(1, &FakeResponse::with(unknown), || panic!("nothing is refunded yet"));
    assert!(!response.headers.is_empty() && !response.wakes);
    let response = respond(&mut gate, NOW_US, 1, Outcome { status: 503, is_cache_hit: false });
    assert_eq!(response.headers, [], "already added");
    assert!(response.wakes);
    assert_eq!(settles_sent(&mut gate)[0].charges.len(), 2);
}

#[test]
fn a_cache_hit_is_refunded_once_although_the_status_follows() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    let hit = Outcome { status: Outcome::UNKNOWN, is_cache_hit: true };
    assert!(respond(&mut gate, NOW_US, 1, hit).wakes);
    assert_eq!(settles_sent(&mut gate)[0].charges.len(), 2);
    let failed = Outcome { status: 503, is_cache_hit: false };
    assert!(!respond(&mut gate, NOW_US, 1, failed).wakes, "given back already");
}

#[test]
fn a_failed_settle_is_retried_a_few_times() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    respond(&mut gate, NOW_US, 1, Outcome { status: 503, is_cache_hit: false });
    let mut fail = |now_us: u64| {
        let calls = gate.ready(now_us);
        let [call] = calls.as_slice() else { return None };
        gate.reply(now_us, call.id, CallKind::Settle, Reply::default(), &Process::default());
        assert_eq!(gate.ready(now_us), [], "not immediately");
        Some(call.body.clone())
    };
    let first = fail(NOW_US);
    assert!(first.is_some());
    assert!((1..5).all(|at| fail(NOW_US + at * 1_000_000) == first), "the same ids");
    assert_eq!(fail(NOW_US + 9_000_000), None, "given up");
    assert!(gate.is_idle(NOW_US));
}

#[test]
fn a_late_settle_reply_does_not_affect_the_next_settle() {
    let process = Process::default();
    let mut gate = gate();
    let refund = |gate: &mut Gate, stream| {
        arrive(gate, stream, &FakeRequest::post("/api/ai/x").user("42", "free"));
        decide(gate, true, 9);
        respond(gate, NOW_US, stream, Outcome { status: 503, is_cache_hit: false });
    };
    refund(&mut gate, 1);
    let first = one_call(&mut gate);
    // The first call gets no reply. It is sent again, and that arrives.
    let later_us = NOW_US + 2_000_000;
    gate.tick(later_us, &process);
    let again_us = later_us + 1_000_000;
    let again = gate.ready(again_us).remove(0);
    assert_eq!(again.body, first.body);
    gate.reply(again_us, again.id, CallKind::Settle, ok_reply(b"{}"), &process);
    assert!(gate.is_idle(again_us));
    // The next settle is under way when both replies to the first arrive. They do not affect it.
    refund(&mut gate, 2);
    let next = one_call(&mut gate);
    for late in [&first, &again] {
        gate.reply(again_us, late.id, CallKind::Settle, ok_reply(b"{}"), &process);
        assert!(!gate.is_idle(again_us));
    }
    gate.reply(again_us, next.id, CallKind::Settle, ok_reply(b"{}"), &process);
    assert!(gate.is_idle(again_us));
}

#[test]
fn a_clock_stepping_back_does_not_delay_settles() {
    let process = Process::default();
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    respond(&mut gate, NOW_US, 1, Outcome { status: 503, is_cache_hit: false });
    let call = one_call(&mut gate);
    let before_us = NOW_US - 3_600_000_000;
    gate.tick(before_us, &process);
    assert_eq!(gate.ready(before_us), [], "it rests, as after any failure");
    assert_eq!(gate.ready(before_us + 1_000_000).remove(0).body, call.body);
    gate.tick(before_us - 3_600_000_000, &process);
    let again_us = before_us - 7_200_000_000;
    assert_eq!(
        gate.ready(again_us).remove(0).body,
        call.body,
        "the rest would have lasted an hour"
    );
}

#[test]
fn a_rejected_settle_is_not_sent_again() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    respond(&mut gate, NOW_US, 1, Outcome { status: 503, is_cache_hit: false });
    let call = one_call(&mut gate);
    reply(&mut gate, &call, Reply { status: Some(b"400"), ..ok_reply(b"") });
    assert!(gate.is_idle(NOW_US));
    assert_eq!(counted(&mut gate, "tollgate.settles.dropped"), 1);
}

#[test]
fn an_undecided_request_does_not_affect_others() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/auth/login"));
    arrive(&mut gate, 2, &FakeRequest::get("/"));
    let call = one_call(&mut gate);
    let mut replied: DecideReply = serde_json::from_slice(&shim_reply(&call, true, 4)).unwrap();
    replied.decisions[0].admitted = false;
    replied.decisions[0].error = Some(wire::DecisionError::CostExceedsLimit);
    let body = serde_json::to_vec(&replied).unwrap();
    let released = reply(&mut gate, &call, ok_reply(&body));
    let summaries: Vec<_> = released.iter().map(|release| shown(&release.release)).collect();
    assert_eq!(
        summaries,
        ["Pass(\"degraded admitted rule=1 auth=4\")", "Pass(\"admitted rule=4 public=4\")"]
    );
}

#[test]
fn an_unavailable_cluster_node_does_not_fail_the_call() {
    let mut gate = gate();
    // The shim reports an unavailable Cluster node as a decision without charges.
    let unavailable = |reply: &mut DecideReply, at: usize| {
        let decision = &mut reply.decisions[at];
        (decision.admitted, decision.charges) = (false, Vec::new());
        decision.error = Some(wire::DecisionError::Unavailable);
    };
    for round in 0..4 {
        arrive(&mut gate, 1, &FakeRequest::post("/api/auth/login"));
        arrive(&mut gate, 2, &FakeRequest::get("/"));
        let call = one_call(&mut gate);
        let mut replied: DecideReply = serde_json::from_slice(&shim_reply(&call, true, 4)).unwrap();
        unavailable(&mut replied, 0);
        if round > 0 {
            unavailable(&mut replied, 1);
        }
        let body = serde_json::to_vec(&replied).unwrap();
        let released = reply(&mut gate, &call, ok_reply(&body));
        let summaries: Vec<_> = released.iter().map(|release| shown(&release.release)).collect();
        let first = "Pass(\"degraded admitted rule=1 auth=4\")".to_owned();
        let second =
            if round == 0 { "admitted rule=4 public=4" } else { "degraded admitted rule=4" };
        assert_eq!(summaries, [first, format!("Pass({second:?})")]);
        (1..=2).for_each(|stream| _ = gate.done(stream));
    }
    // As many failed calls would have opened the breaker.
    assert_eq!(counted(&mut gate, "tollgate.breaker.opened"), 0);
    arrive(&mut gate, 3, &FakeRequest::get("/"));
}

#[test]
fn decisions_are_counted_by_bucket() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/ai/x").user("42", "free"));
    decide(&mut gate, true, 9);
    arrive(&mut gate, 2, &FakeRequest::post("/api/auth/login"));
    decide(&mut gate, false, 0);
    let mut shown: Vec<String> = gate
        .take_samples()
        .iter()
        .map(|sample| format!("{}: {}", gate.metric_name(sample.metric), sample.amount))
        .collect();
    shown.sort();
    insta::assert_snapshot!(shown.join("\n"), @r"
tollgate.batch_size: 1
tollgate.batch_size: 1
tollgate.calls.kind=decide.outcome=ok: 2
tollgate.decisions.bucket=ai.by=ledger.verdict=admitted: 1
tollgate.decisions.bucket=ai_client.by=ledger.verdict=admitted: 1
tollgate.decisions.bucket=ai_daily.by=ledger.verdict=admitted: 1
tollgate.decisions.bucket=auth.by=ledger.verdict=denied: 1
tollgate.requests.verdict=admitted: 1
tollgate.requests.verdict=denied: 1
tollgate.wait_us: 0
tollgate.wait_us: 0
");
}

#[test]
fn a_denial_is_logged() {
    let mut gate = gate();
    arrive(&mut gate, 1, &FakeRequest::post("/api/auth/login"));
    decide(&mut gate, false, 0);
    assert_eq!(
        gate.take_log(NOW_US),
        ["denied rule=1 bucket=auth retry_after_ms=41500 counter=06cf66c2381298c46aebb8340731c275"]
    );
}

#[test]
fn the_log_shows_the_keys_that_a_limit_of_0_refuses() {
    let text = "{version: 1, keys: {user: {jwt_claim: sub, otherwise: client, log_key: true}, client: {client_ip: {}}}, \
                buckets: {a: {key: user, window: 1m, limit: 0}, b: {key: user, window: 1m, limit: 5}}, \
                rules: [{charge: [a, b]}]}";
    let mut gate = Gate::new(Policy::from_value(serde_saphyr::from_str(text).unwrap()).unwrap());
    assert!(ask(&mut gate, NOW_MS, 1, &FakeRequest::get("/").user("42", "pro")).is_some());
    assert_eq!(gate.take_log(NOW_US), [r#"denied rule=0 bucket=a limit=0 key.user="42""#]);
}

/// Returns a gate with two buckets, both charged by every request.
fn logging_gate(keys: &str) -> Gate {
    let text = format!(
        "{{version: 1, jwt: {{failed_status: jwt_failure}}, keys: {keys}, rules: [{{charge: [a, b]}}], \
          buckets: {{a: {{key: user, window: 1m, limit: 5}}, b: {{key: both, window: 1m, limit: 5}}}}}}"
    );
    Gate::new(Policy::from_value(serde_saphyr::from_str(&text).unwrap()).unwrap())
}

#[test]
fn the_log_shows_the_keys_that_the_policy_says() {
    let mut gate = logging_gate(
        "{user: {jwt_claim: sub, otherwise: client, log_key: true}, client: {client_ip: {v4_prefix: 24}, log_key: true}, \
          site: {host: {}}, both: {all: [user, site]}}",
    );
    let mut check = |stream, request: &FakeRequest, expected: &str| {
        arrive(&mut gate, stream, request);
        let released = decide(&mut gate, true, 4);
        let [Released { release: Release::Pass(summary), .. }] = released.as_slice() else {
            panic!("{released:?}")
        };
        assert_eq!(summary, expected);
    };
    let long = "x".repeat(200).leak();
    let cut = format!("admitted rule=0 a=4 b=4 key.user=\"{}...\"", "x".repeat(128));
    check(1, &FakeRequest::get("/").user("42", "pro"), r#"admitted rule=0 a=4 b=4 key.user="42""#);
    check(2, &FakeRequest::get("/"), r#"admitted rule=0 a=4 b=4 key.client="192.0.2.0/24""#);
    let forged = FakeRequest::get("/").user("a\" b=9\n\u{e9}", "pro");
    check(3, &forged, r#"admitted rule=0 a=4 b=4 key.user="a\" b=9\n\xc3\xa9""#);
    check(4, &FakeRequest::get("/").user(long, "pro"), &cut);
    arrive(&mut gate, 5, &FakeRequest::get("/").user("42", "pro"));
    decide(&mut gate, false, 0);
    let denied = [
        r#"denied rule=0 bucket=b retry_after_ms=41500 counter=b6d36303f85a92c7efe239bbf726afb8 key.user="42""#,
    ];
    assert_eq!(gate.take_log(NOW_US), denied);
}

#[test]
fn a_refused_token_is_logged_and_counted() {
    let mut gate = logging_gate(
        "{user: {jwt_claim: sub, otherwise: client}, client: {client_ip: {}}, site: {host: {}}, both: {all: [user, site]}}",
    );
    let refused_token = Some("Jwt payload [sub] field is not a string");
    let request = FakeRequest { refused_token, ..FakeRequest::get("/") };
    for stream in 1..=7 {
        arrive(&mut gate, stream, &request);
    }
    arrive(&mut gate, 8, &FakeRequest::get("/"));
    let lines = gate.take_log(NOW_US);
    let line =
        "a token was refused, so it counts for nobody: Jwt payload [sub] field is not a string";
    assert_eq!(lines, [line; 5]);
    assert_eq!(gate.take_log(NOW_US + 1_000_000), ["2 more refused tokens within a second"]);
    assert_eq!(counted(&mut gate, "tollgate.tokens.refused"), 7);
}

#[test]
fn a_call_carries_the_trace_of_its_first_request() {
    let mut gate = Gate::new(Policy { salt: "our-own".to_owned(), ..shipped() });
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    arrive(
        &mut gate,
        1,
        &FakeRequest::get("/").with("traceparent", traceparent).with("x-request-id", "7"),
    );
    arrive(&mut gate, 2, &FakeRequest::get("/").with("x-request-id", "8"));
    let expected = [("traceparent", traceparent.to_owned()), ("x-request-id", "7".to_owned())];
    assert_eq!(one_call(&mut gate).headers, expected);
}

#[test]
fn a_call_reports_a_publicly_known_salt() {
    let calls_with = |salt: &str| {
        let mut gate = Gate::new(Policy { salt: salt.to_owned(), ..shipped() });
        arrive(&mut gate, 1, &FakeRequest::get("/"));
        one_call(&mut gate).headers.contains(&("tollgate-salt", "known".to_owned()))
    };
    assert!(calls_with("tollgate-development") && calls_with("") && !calls_with("our-own"));
}

#[test]
fn a_rejected_settle_does_not_affect_others_in_its_batch() {
    let mut gate = gate();
    for (stream, user) in (1..).zip(["1", "2", "3", "4", "5"]) {
        arrive(&mut gate, stream, &FakeRequest::post("/api/ai/x").user(user, "free"));
        decide(&mut gate, true, 9);
    }
    for stream in 1..=5 {
        respond(&mut gate, NOW_US, stream, Outcome { status: 503, is_cache_hit: false });
    }
    let (mut arrived, mut calls, mut wrong) = (Vec::new(), 0, None);
    while !gate.is_idle(NOW_US) {
        let call = one_call(&mut gate);
        let settles = serde_json::from_slice::<SettleBody>(&call.body).unwrap().settles;
        let payers: Vec<_> =
            settles.iter().map(|settle| settle.charges[0].counter.to_string()).collect();
        // The third settle is invalid: any call that carries it is rejected.
        let wrong: &String = wrong.get_or_insert_with(|| payers[2].clone());
        let status: &[u8] = if payers.contains(wrong) { b"400" } else { b"200" };
        reply(&mut gate, &call, Reply { status: Some(status), ..ok_reply(b"{}") });
        if status == b"200" {
            arrived.extend(payers);
        }
        calls += 1;
        assert!(calls < 20, "too many calls");
    }
    assert_eq!(arrived.len(), 4, "{arrived:?}");
    assert_eq!(counted(&mut gate, "tollgate.settles.dropped"), 1);
}
