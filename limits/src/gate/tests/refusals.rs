//! Refusals in the form that a bucket chose.

use super::*;
use crate::policy::Policy;

const POLICY: &str = r#"
version: 1
salt: test
keys: { client: { client_ip: {} } }
buckets:
  plain: { key: client, limit: 5, window: 1m }
  page:
    key: client
    limit: 5
    window: 1m
    refusal:
      status: 503
      body: { html: "<p>{detail}</p> Wait {retry_after_s} s. {instance}" }
      headers: { X-Limit: "{limit} of {bucket}", cache-control: private }
  api:
    key: client
    limit: 5
    window: 1m
    refusal:
      status: 403
      body: { json: { error: { code: quota, retry_after: "{retry_after_s}", rule: "{rule}" } } }
  text: { key: client, limit: 5, window: 1m, refusal: { body: { text: "{bucket}: slow down" } } }
  hidden: { key: client, limit: 5, window: 1m, visible: false }
  daily:
    key: client
    limit: 5
    per: day
    jitter: 30m
    tiers: { by: { header: x-tier }, values: { fast: { limit: 5, window: 1m } } }
  none: { key: client, limit: 0, window: 1m, refusal: { body: { json: { wait: "{retry_after_s}" } } } }
rules:
  - { name: page, match: { paths: [/page] }, charge: [plain, page] }
  - { name: api, match: { paths: [/api] }, charge: [api] }
  - { name: text, match: { paths: [/text] }, charge: [text] }
  - { name: hidden, match: { paths: [/hidden] }, charge: [hidden] }
  - { name: both, match: { paths: [/both] }, charge: [plain, hidden] }
  - { name: daily, match: { paths: [/daily] }, charge: [daily] }
  - { name: closed, match: { paths: [/none] }, charge: [none] }
"#;

fn policy() -> Policy {
    Policy::from_value(serde_saphyr::from_str(POLICY).unwrap()).unwrap()
}

/// Returns the answer to a request for `path` that the ledger denies.
fn denied(policy: Policy, path: &'static str) -> Release {
    denied_as(policy, &FakeRequest::get(path))
}

/// Returns the answer to a request that the ledger denies.
fn denied_as(policy: Policy, request: &FakeRequest) -> Release {
    let mut gate = Gate::new(policy);
    arrive(&mut gate, 1, request);
    decide(&mut gate, false, 0).remove(0).release
}

#[test]
fn a_bucket_chooses_the_form_of_its_refusals() {
    insta::assert_snapshot!(shown(&denied(policy(), "/page")), @r#"
503
retry-after: 42
x-ratelimit-limit: 5
x-ratelimit-remaining: 0
x-ratelimit-reset: 42
ratelimit-policy: "plain";q=5;w=60, "page";q=5;w=60
ratelimit: "plain";r=0;t=42, "page";r=0;t=42
x-limit: 5 of page
cache-control: private
content-type: text/html; charset=utf-8

<p>The limit &quot;page&quot; of 5 in any 60 s is used up. Retry in 42 s.</p> Wait 42 s. urn:tollgate:counter:d6209380bf2878d79d09337269e0c781

denied rule=page bucket=page retry_after_ms=41500 counter=d6209380bf2878d79d09337269e0c781
"#);
    insta::assert_snapshot!(shown(&denied(policy(), "/api")), @r#"
403
retry-after: 42
x-ratelimit-limit: 5
x-ratelimit-remaining: 0
x-ratelimit-reset: 42
ratelimit-policy: "api";q=5;w=60
ratelimit: "api";r=0;t=42
cache-control: no-store
content-type: application/json

{"error":{"code":"quota","retry_after":42,"rule":"api"}}

denied rule=api bucket=api retry_after_ms=41500 counter=d6209380bf2878d79d09337269e0c781
"#);
    insta::assert_snapshot!(shown(&denied(policy(), "/text")), @r#"
429
retry-after: 42
x-ratelimit-limit: 5
x-ratelimit-remaining: 0
x-ratelimit-reset: 42
ratelimit-policy: "text";q=5;w=60
ratelimit: "text";r=0;t=42
content-type: text/plain; charset=utf-8

text: slow down

denied rule=text bucket=text retry_after_ms=41500 counter=d6209380bf2878d79d09337269e0c781
"#);
}

#[test]
fn a_limit_of_0_refuses_in_the_form_of_its_bucket() {
    let refused = ask(&mut Gate::new(policy()), NOW_MS, 1, &FakeRequest::get("/none")).unwrap();
    let Release::Refuse(answer) = refused else { panic!() };
    assert_eq!((answer.status, answer.grpc_status), (403, 7));
    assert_eq!(answer.body, b"{\"wait\":null}");
}

#[test]
fn grpc_clients_get_a_status_and_a_message() {
    let of = |path| match denied(policy(), path) {
        Release::Refuse(answer) => (answer.grpc_status, answer.detail.clone()),
        Release::Pass(summary) => panic!("{summary}"),
    };
    let used_up =
        |bucket: &str| format!("The limit {bucket:?} of 5 in any 60 s is used up. Retry in 42 s.");
    assert_eq!(of("/page"), (8, used_up("page")));
    assert_eq!(of("/api"), (7, used_up("api")));
    assert_eq!(of("/text"), (8, "text: slow down".to_owned()));
}

#[test]
fn clients_do_not_learn_of_an_invisible_bucket() {
    insta::assert_snapshot!(shown(&denied(policy(), "/hidden")), @r#"
429
retry-after: 42
content-type: application/problem+json

{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota exceeded","status":429,"detail":"A limit is used up. Retry in 42 s.","instance":"urn:tollgate:counter:d6209380bf2878d79d09337269e0c781"}

denied rule=hidden bucket=hidden retry_after_ms=41500 counter=d6209380bf2878d79d09337269e0c781
"#);
    let both = shown(&denied(policy(), "/both"));
    let (sent, summary) = both.split_once("\n\n").unwrap();
    assert!(!sent.contains("hidden"), "{sent}");
    assert!(summary.contains("rule=both"), "{summary}");
    let mut gate = Gate::new(policy());
    arrive(&mut gate, 1, &FakeRequest::get("/hidden"));
    decide(&mut gate, true, 4);
    assert_eq!(gate.response(1, &Unread, || 0).headers, []);
}

#[test]
fn jitter_lengthens_the_wait_by_the_counters_own_part() {
    let of = |salt: &str| {
        let mut policy = policy();
        policy.salt = salt.to_owned();
        wait_s(&denied(policy, "/daily"))
    };
    let waits: Vec<u64> = (0..20).map(|salt| of(&salt.to_string())).collect();
    assert!(waits.iter().all(|wait_s| (42..=42 + 1_800).contains(wait_s)), "{waits:?}");
    assert_eq!(waits.iter().collect::<std::collections::BTreeSet<_>>().len(), 20, "{waits:?}");
    assert_eq!(of("1"), of("1"));
    let tier = FakeRequest::get("/daily").with("x-tier", "fast");
    assert_eq!(wait_s(&denied_as(policy(), &tier)), 42, "a sliding window has no jitter");
}

/// Returns the wait that a refusal names.
fn wait_s(release: &Release) -> u64 {
    let Release::Refuse(answer) = release else { panic!("{release:?}") };
    let value = |name: &str| {
        let found = answer.headers.iter().find(|(found, _)| found == name);
        found.unwrap().1.parse::<u64>().unwrap()
    };
    assert_eq!(value("retry-after"), value("x-ratelimit-reset"));
    value("retry-after")
}

#[test]
fn a_reset_can_be_a_time() {
    let mut policy = policy();
    policy.x_ratelimit_reset = crate::headers::Reset::Epoch;
    let mut gate = Gate::new(policy);
    arrive(&mut gate, 1, &FakeRequest::get("/text"));
    let reset_of = |release: &Release| {
        let Release::Refuse(answer) = release else { panic!("{release:?}") };
        let found = answer.headers.iter().find(|(name, _)| name == "x-ratelimit-reset");
        found.unwrap().1.clone()
    };
    let released = decide(&mut gate, false, 0);
    assert_eq!(reset_of(&released[0].release), "1790000042");
    // Remembered for a second: the time stays.
    for (at, passed_ms) in [(2, 0), (3, 400), (4, 400)] {
        let again = ask(&mut gate, NOW_MS + passed_ms, at, &FakeRequest::get("/text"));
        assert_eq!(reset_of(&again.unwrap()), "1790000042");
    }
}

#[test]
fn the_reset_of_the_upstream_does_not_stay_beside_a_balance() {
    let text = "{version: 1, keys: {client: {client_ip: {}}}, buckets: {b: {key: client, balance: 5}}, \
                rules: [{charge: [b]}]}";
    let upstream = [("x-ratelimit-remaining", "90"), ("x-ratelimit-reset", "30")];
    for (choice, removed) in [
        (UpstreamHeaders::Stricter, Some("x-ratelimit-reset")),
        (UpstreamHeaders::Replace, Some("x-ratelimit-reset")),
        (UpstreamHeaders::Keep, None),
    ] {
        let mut policy: Policy = Policy::from_value(serde_saphyr::from_str(text).unwrap()).unwrap();
        policy.upstream_headers = choice;
        let mut gate = Gate::new(policy);
        arrive(&mut gate, 1, &FakeRequest::get("/"));
        decide(&mut gate, true, 4);
        let response = gate.response(1, &FakeResponse::status(200, &upstream), || NOW_US);
        assert_eq!(response.removed, removed, "{choice:?}");
    }
    let mut gate = Gate::new(policy());
    arrive(&mut gate, 1, &FakeRequest::get("/text"));
    decide(&mut gate, true, 4);
    let response = gate.response(1, &FakeResponse::status(200, &upstream), || NOW_US);
    assert_eq!(response.removed, None, "the gateway has a reset of its own");
}
