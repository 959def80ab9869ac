//! The filter's metrics in Envoy's statistics.

use super::login::{statuses, wrong_login};
use harness::clock::Deadline;
use serde_json::json;
use std::time::Duration;
use tests::gateway::{Gateway, Options, stats_of};

/// Waits until the first Envoy's Prometheus output has the line `name{<labels>} <value>`, ignoring
/// additional labels.
pub(super) fn wait_for(gateway: &Gateway, name: &str, labels: &[(&str, &str)], value: u64) {
    let what = format!("{name} {labels:?} {value}");
    wait_until(gateway, &what, |text| values(text, name, labels).any(|found| found == value));
}

/// Waits until `is_met` returns true for the first Envoy's Prometheus output.
pub(super) fn wait_until(gateway: &Gateway, what: &str, is_met: impl Fn(&str) -> bool) {
    let deadline = Deadline::after(Duration::from_secs(30));
    loop {
        let text = stats_of(&gateway.envoys[0], "/stats/prometheus");
        if is_met(&text) {
            return;
        }
        let ours: Vec<_> = text.lines().filter(|line| line.contains("tollgate")).collect();
        assert!(!deadline.has_passed(), "no {what}:\n{}", ours.join("\n"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the values of `name` with these labels, among others, in Prometheus output.
pub(super) fn values(text: &str, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = u64> {
    let has = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
            && labels.iter().all(|(key, value)| line.contains(&format!("{key}=\"{value}\"")))
    };
    let lines = text.lines().filter(has).filter_map(|line| line.rsplit_once(' ')?.1.parse().ok());
    lines.collect::<Vec<u64>>().into_iter()
}

/// Returns the first Envoy's Prometheus value `name` with any labels.
pub(super) fn value_of(gateway: &Gateway, name: &str) -> Option<u64> {
    let text = stats_of(&gateway.envoys[0], "/stats/prometheus");
    let own = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
    text.lines().find(own)?.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn decisions_are_counted_with_labels() {
    let mut options = Options::default();
    options.policy["rules"][0]["charge"] = json!([]);
    let gateway = Gateway::start(&options).unwrap();
    let client = gateway.client();
    assert_eq!(statuses(&client, 6), [401, 401, 401, 401, 401, 429]);
    assert_eq!(wrong_login(&client).status, 429);
    assert_eq!(client.get("/health", None).status, 200);
    let decisions = "tollgate_decisions";
    let auth = |by, verdict| [("bucket", "auth"), ("by", by), ("verdict", verdict)];
    wait_for(&gateway, decisions, &auth("ledger", "admitted"), 5);
    wait_for(&gateway, decisions, &auth("ledger", "denied"), 1);
    wait_for(&gateway, decisions, &auth("denied_before", "denied"), 1);
    wait_for(&gateway, "tollgate_denied_before_hits", &[], 1);
    wait_for(&gateway, "tollgate_requests", &[("verdict", "exempt")], 1);
    wait_for(&gateway, "tollgate_calls", &[("kind", "decide"), ("outcome", "ok")], 6);
    wait_for(&gateway, "tollgate_batch_size_count", &[], 6);
    wait_for(&gateway, "tollgate_wait_us_count", &[], 6);
}

#[test]
fn counters_survive_a_policy_change() {
    let with_limit = |limit: u64| {
        let mut options = Options::default();
        options.policy["buckets"]["public"]["limit"] = json!(limit);
        options
    };
    let gateway = Gateway::start(&with_limit(100)).unwrap();
    let client = gateway.client();
    let ask = || client.get("/", None).header("x-ratelimit-limit").to_owned();
    (0..3).for_each(|_| assert_eq!(ask(), "100"));
    let admitted = [("bucket", "public"), ("by", "ledger"), ("verdict", "admitted")];
    wait_for(&gateway, "tollgate_decisions", &admitted, 3);
    gateway.put_policy(0, &with_limit(101).policy).unwrap();
    let (deadline, mut asked) = (Deadline::after(Duration::from_secs(30)), 3);
    loop {
        asked += 1;
        if ask() == "101" {
            break;
        }
        assert!(!deadline.has_passed(), "the new policy is not in force");
        std::thread::sleep(Duration::from_millis(500));
    }
    wait_for(&gateway, "tollgate_decisions", &admitted, asked);
}

#[test]
fn a_shadow_bucket_counts_but_never_denies() {
    let mut options = Options::default();
    options.policy["buckets"]["public"]["limit"] = json!(1);
    options.policy["buckets"]["public"]["enforce"] = json!(false);
    let gateway = Gateway::start(&options).unwrap();
    let statuses: Vec<_> = (0..3).map(|_| gateway.client().get("/", None).status).collect();
    assert_eq!(statuses, [200, 200, 200]);
    let public = |verdict| [("bucket", "public"), ("by", "ledger"), ("verdict", verdict)];
    wait_for(&gateway, "tollgate_decisions", &public("admitted"), 1);
    wait_for(&gateway, "tollgate_decisions", &public("would_deny"), 2);
}

#[test]
fn metrics_show_an_outage_until_it_ends() {
    let mut gateway = Gateway::start(&Options::default()).unwrap();
    gateway.ledger_server().kill();
    let client = gateway.client();
    for _ in 0..4 {
        let degraded = client.get("/", None);
        assert_eq!(degraded.status, 200);
        assert_eq!(degraded.header("tollgate-verdict"), "degraded");
    }
    let allowed = [("bucket", "public"), ("by", "allow"), ("verdict", "admitted")];
    wait_for(&gateway, "tollgate_decisions", &allowed, 4);
    wait_for(&gateway, "tollgate_requests", &[("verdict", "degraded")], 4);
    // The open breaker skipped the fourth call.
    wait_for(&gateway, "tollgate_calls", &[("kind", "decide"), ("outcome", "failed")], 3);
    wait_for(&gateway, "tollgate_breaker_open", &[], 1);
    gateway.ledger_server().restart().unwrap();
    wait_for(&gateway, "tollgate_breaker_open", &[], 0);
    let decided = gateway.client().get("/", None);
    assert_eq!(decided.header("tollgate-verdict"), "", "{}", decided.as_text());
}
