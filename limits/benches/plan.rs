//! Measures the time of `Policy::plan`: `cargo bench -p tollgate-limits --bench plan`.
//!
//! All cases run interleaved in one process, and the fastest of their rounds is shown, because other
//! work on the machine only adds time. It asserts nothing, because timings vary between machines.

use limits::explain::Request;
use limits::policy::Policy;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;
const PLANS: u32 = 500;

/// A policy, and requests to plan in turn.
struct Case {
    name: String,
    policy: Policy,
    requests: Vec<Request>,
    best: Duration,
}

fn main() {
    let mut cases = vec![case("the shipped policy", shipped(), shipped_requests())];
    for count in [10, 100, 1_000] {
        let name = format!("{count} rules with paths and hosts");
        cases.push(case(&name, with_rules(count), spread(count, true)));
        let name = format!("{count} rules with paths and hosts, none matches");
        cases.push(case(&name, with_rules(count), spread(count, false)));
    }
    for count in [0, 1, 10_000] {
        let name = format!("a rule with {count} networks");
        cases.push(case(&name, with_networks(count), vec![get("/", "example.com")]));
    }
    for (name, expression) in [
        ("a CEL condition on the path", "request.path.startsWith('/a/')"),
        ("a CEL condition on claims", "claims.tier == 'free' || claims.sub == '7'"),
    ] {
        let user = Request { claims: claims(), ..get("/", "example.com") };
        let when =
            json!([{ "match": { "when": expression }, "charge": [] }, { "charge": ["all"] }]);
        cases.push(case(name, policy(&json!({}), &when), vec![user]));
    }
    for _ in 0..ROUNDS {
        for case in &mut cases {
            case.best = case.best.min(measured(case));
        }
    }
    for case in &cases {
        println!("{:>7} ns  {}", case.best.as_nanos() / u128::from(PLANS), case.name);
    }
}

#[expect(clippy::panic, reason = "a benchmark needs valid policies")]
fn case(name: &str, policy: Value, requests: Vec<Request>) -> Case {
    let policy = Policy::from_value(policy).unwrap_or_else(|error| panic!("{name}: {error}"));
    Case { name: name.to_owned(), policy, requests, best: Duration::MAX }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn measured(case: &Case) -> Duration {
    let start = Instant::now();
    for request in case.requests.iter().cycle().take(PLANS as usize) {
        let plan = black_box(&case.policy).plan(black_box(request));
        drop(black_box(plan));
    }
    start.elapsed()
}

fn get(path: &str, host: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        path: path.to_owned(),
        host: host.to_owned(),
        client: Some([192, 0, 2, 1].into()),
        ..Request::default()
    }
}

fn shipped() -> Value {
    serde_saphyr::from_str(include_str!("../../envoy/policy.yaml")).unwrap_or_default()
}

/// Returns a request for each rule of the shipped policy.
fn shipped_requests() -> Vec<Request> {
    let user = |request: Request| Request { claims: claims(), ..request };
    let post = |request: Request| Request { method: "POST".to_owned(), ..request };
    vec![
        get("/health", "example.com"),
        post(get("/api/auth/login", "example.com")),
        user(post(get("/api/ai/score", "example.com"))),
        user(get("/api/me", "example.com")),
        get("/", "example.com"),
    ]
}

fn claims() -> BTreeMap<String, limits::facts::Value> {
    BTreeMap::from([("sub".to_owned(), "42".into()), ("tier".to_owned(), "pro".into())])
}

fn policy(networks: &Value, rules: &Value) -> Value {
    json!({
        "version": 1,
        "networks": networks,
        "keys": { "client": { "client_ip": {} } },
        "buckets": { "all": { "key": "client", "limit": 10, "window": "1m" } },
        "rules": rules,
    })
}

/// Returns rules for 10 hosts, each with a tenth of the paths.
fn with_rules(count: usize) -> Value {
    let rule = |at: usize| {
        json!({
            "match": {
                "paths": [format!("/api/v1/service{}/**", at / 10), format!("/s{}/*/x", at / 10)],
                "hosts": [format!("h{}.example.com", at % 10)],
            },
            "charge": ["all"],
        })
    };
    let mut policy = policy(&json!({}), &(0..count).map(rule).collect());
    // So that the same file measures earlier versions, which have no networks.
    policy.as_object_mut().and_then(|fields| fields.remove("networks"));
    policy
}

/// Returns 50 requests over all rules of [`with_rules`].
fn spread(count: usize, do_match: bool) -> Vec<Request> {
    let tail = if do_match { "" } else { ".org" };
    let request = |at: usize| {
        let rule = at * count / 50;
        let path = format!("/api/v1/service{}/items/{at}", rule / 10);
        get(&path, &format!("h{}.example.com{tail}", rule % 10))
    };
    (0..50).map(request).collect()
}

/// Returns a rule for `count` networks that do not contain the client, then one for all.
fn with_networks(count: usize) -> Value {
    let network = |at: usize| format!("10.{}.{}.0/25", at / 256, at % 256);
    let networks: Vec<_> = (0..count).map(network).collect();
    let rest = json!({ "charge": ["all"] });
    let rules = match count {
        0 => json!([rest]),
        _ => json!([{ "match": { "client": ["many"] }, "charge": [] }, rest]),
    };
    policy(&json!({ "many": networks }), &rules)
}
