//! The rate-limit headers of admitted and denied requests, and refunds as they show there.

use super::metrics::values;
use harness::clock::Deadline;
use serde_json::json;
use std::time::Duration;
use tests::client::Reply;
use tests::gateway::{Gateway, Options, stats_of};

fn an_admitted_request_reports_what_is_left(is_redis: bool) {
    let gateway = Gateway::start(&Options { is_redis, ..Options::default() }).unwrap();
    let first = gateway.client().get("/", None);
    assert_eq!(first.status, 200);
    assert_eq!(first.header("x-ratelimit-limit"), "30");
    assert_eq!(first.header("x-ratelimit-remaining"), "29");
    assert_eq!(first.header("x-ratelimit-reset"), "60");
    assert_eq!(first.header("ratelimit-policy"), "\"public\";q=30;w=60");
    assert_eq!(first.header("ratelimit"), "\"public\";r=29;t=60");
    assert!(first.headers.get("retry-after").is_none());
    assert_eq!(gateway.client().get("/", None).header("x-ratelimit-remaining"), "28");
}

#[test]
fn an_admitted_request_reports_what_is_left_with_redis() {
    an_admitted_request_reports_what_is_left(true);
}

#[test]
fn an_admitted_request_reports_what_is_left_with_memory() {
    an_admitted_request_reports_what_is_left(false);
}

#[test]
fn clients_get_only_the_headers_that_the_policy_lists() {
    let headers_of = |families| {
        let mut options = Options::default();
        options.policy["response_headers"] = families;
        options.policy["buckets"]["public"]["limit"] = json!(1);
        let gateway = Gateway::start(&options).unwrap();
        let replies = [gateway.client().get("/", None), gateway.client().get("/", None)];
        assert_eq!(replies.each_ref().map(|reply| reply.status), [200, 429]);
        replies.map(|reply| {
            let names = ["ratelimit", "ratelimit-policy", "x-ratelimit-remaining", "retry-after"];
            names.map(|name| reply.headers.contains_key(name))
        })
    };
    assert_eq!(headers_of(json!([])), [[false; 4], [false, false, false, true]]);
    assert_eq!(
        headers_of(json!(["ratelimit"])),
        [[true, true, false, false], [true, true, false, true]]
    );
    assert_eq!(
        headers_of(json!(["x_ratelimit"])),
        [[false, false, true, false], [false, false, true, true]]
    );
}

#[test]
fn each_kind_of_request_charges_its_bucket() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let client = gateway.client();
    let token = gateway.token_of("ada@example.com");
    let policy = |path, token| client.get(path, token).header("ratelimit-policy").to_owned();
    for probe in ["/health", "/health/live", "/health/ready", "/metrics"] {
        assert_eq!(policy(probe, None), "\"probes\";q=120;w=60", "{probe}");
    }
    for other in ["/health/x", "/health/live/x", "/metrics/x"] {
        assert_eq!(policy(other, None), "\"public\";q=30;w=60", "{other}");
    }
    assert_eq!(policy("/", None), "\"public\";q=30;w=60");
    assert_eq!(policy("/api/me", Some(&token)), "\"authenticated\";q=60;w=60");
    let ai = "\"ai\";q=10;w=60, \"ai_daily\";q=10;w=86400, \"ai_client\";q=2000;w=86400";
    assert_eq!(policy("/api/ai/x", Some(&token)), ai);
    assert_eq!(policy("/api/ai/x", None), ai);
}

#[test]
fn probes_have_their_own_limit() {
    let mut options = Options::default();
    options.policy["buckets"]["public"]["limit"] = json!(1);
    let gateway = Gateway::start(&options).unwrap();
    let client = gateway.client();
    assert_eq!([client.get("/", None).status, client.get("/", None).status], [200, 429]);
    for probe in (0..120).map(|n| ["/health", "/health/live", "/health/ready", "/metrics"][n % 4]) {
        assert_eq!(client.get(probe, None).status, 200, "{probe}");
    }
    let refused = client.get("/health/live", None);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["violated-policies"], json!(["probes"]));
    assert_eq!(client.at(2).get("/health/live", None).status, 200, "another prober");
}

#[test]
fn the_backend_recognizes_the_user_behind_the_gateway() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let token = gateway.token_of("ada@example.com");
    let me = gateway.client().get("/api/me", Some(&token));
    assert_eq!(me.status, 200);
    assert_eq!(me.json()["email"], "ada@example.com");
    assert_eq!(me.header("x-ratelimit-remaining"), "59");
}

#[test]
fn several_buckets_are_charged_together_or_not_at_all() {
    let mut options = Options::default();
    options.policy["buckets"]["ai"]["limit"] = json!(2);
    let gateway = Gateway::start(&options).unwrap();
    let (client, token) = (gateway.client(), gateway.token_of("ada@example.com"));
    // The route does not exist, but a 404 is charged because the policy does not refund it.
    let ask = || client.get("/api/ai/x", Some(&token));
    let daily = |reply: &Reply| {
        let all = reply.header("ratelimit").to_owned();
        all.split_once("\"ai_daily\";")
            .expect("a second bucket")
            .1
            .split(';')
            .next()
            .map(str::to_owned)
    };
    assert_eq!([ask().status, ask().status], [404, 404]);
    // The worker asks the ledger again once it has forgotten the denial.
    let deadline = Deadline::after(Duration::from_secs(30));
    let labels = [("bucket", "ai"), ("by", "ledger"), ("verdict", "denied")];
    let denials = || {
        let text = stats_of(&gateway.envoys[0], "/stats/prometheus");
        values(&text, "tollgate_decisions", &labels).sum::<u64>()
    };
    while denials() < 3 {
        assert!(!deadline.has_passed(), "the worker does not ask the ledger again");
        let refused = ask();
        assert_eq!(refused.status, 429);
        assert_eq!(refused.json()["violated-policies"], json!(["ai"]));
        assert_eq!(daily(&refused).as_deref(), Some("r=8"), "{}", refused.as_text());
    }
}

#[test]
fn refunded_responses_cost_nothing() {
    let mut options = Options::default();
    options.policy["buckets"]["public"]["refund"] = json!(["client_error"]);
    let gateway = Gateway::start(&options).unwrap();
    let client = gateway.client();
    assert_eq!(client.get("/", None).header("x-ratelimit-remaining"), "29");
    for _ in 0..5 {
        assert_eq!(client.get("/nothing/here", None).status, 404);
    }
    // Settles follow their responses, and until then the charges count.
    let deadline = Deadline::after(Duration::from_secs(30));
    let mut asked = 1;
    loop {
        asked += 1;
        let left: u64 = client.get("/", None).header("x-ratelimit-remaining").parse().unwrap();
        if left == 30 - asked {
            break;
        }
        assert!(!deadline.has_passed(), "{left} left after {asked}");
    }
}

#[test]
fn a_failed_upstream_costs_nothing_if_the_policy_refunds_it() {
    let mut options = Options::default();
    options.policy["buckets"]["public"]["refund"] = json!(["server_error"]);
    let mut gateway = Gateway::start(&options).unwrap();
    let client = gateway.client();
    assert_eq!(client.get("/", None).header("x-ratelimit-remaining"), "29");
    gateway.backend.kill();
    let deadline = Deadline::after(Duration::from_secs(30));
    // Each reply shows its own charge; earlier ones are refunded.
    let mut remaining = Vec::new();
    while remaining.len() < 5 || remaining.last().is_none_or(|left| left != "28") {
        assert!(!deadline.has_passed(), "{remaining:?}");
        let reply = client.get("/", None);
        assert_eq!(reply.status, 503, "{}", reply.as_text());
        remaining.push(reply.header("x-ratelimit-remaining").to_owned());
    }
}
