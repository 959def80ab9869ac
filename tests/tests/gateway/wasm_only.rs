//! What only the Wasm filter has, because it asks a shim: clusters with generated names, mistakes in
//! the settings of the shim, outages of the shim alone, its memory as a ledger for several Envoys,
//! and its log. The dynamic module counts in Redis itself.
//!
//! These tests run on the Wasm filter whatever `TOLLGATE_FRONT` says.

use super::metrics::wait_for as wait_for_metric;
use super::outage;
use super::sharing::admitted_by_two_envoys;
use super::tracing::wait_for;
use harness::envoy_config::Front;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tests::gateway::{Gateway, Options};

/// A cluster's name as Istio generates it.
const ISTIO: &str = "outbound|8081||tollgate.ns.svc.cluster.local";
/// A cluster's name as Envoy Gateway generates it.
const ENVOY_GATEWAY: &str = "httproute/default/backend/rule/0";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn options() -> Options {
    Options { front: Front::Wasm, ..Options::default() }
}

/// Renames the shim's cluster, and removes its health check, since those gateways configure none.
fn rename(config: &mut Value, name: &str) {
    let clusters = config["static_resources"]["clusters"].as_array_mut().unwrap();
    let cluster = clusters.iter_mut().find(|cluster| cluster["name"] == "tollgate").unwrap();
    cluster["name"] = json!(name);
    cluster["load_assignment"]["cluster_name"] = json!(name);
    cluster.as_object_mut().unwrap().remove("health_checks");
}

#[test]
fn the_shims_cluster_can_have_a_generated_name() {
    let check = |name: &str, edit: fn(&mut Value)| {
        let mut options = Options { edit, ..options() };
        options.policy["shim"]["cluster"] = json!(name);
        let gateway = Gateway::start(&options).unwrap();
        let reply = gateway.client().get("/", None);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-ratelimit-remaining"), "29", "{name}: {}", reply.as_text());
    };
    check(ISTIO, |config| rename(config, ISTIO));
    check(ENVOY_GATEWAY, |config| rename(config, ENVOY_GATEWAY));
}

/// Sends requests through a gateway whose calls to the shim fail, and waits for the error.
fn assert_error_is_logged(policy: impl FnOnce(&mut Value)) {
    let mut options = options();
    policy(&mut options.policy);
    let gateway = Gateway::start(&options).unwrap();
    for _ in 0..4 {
        let reply = gateway.client().get("/", None);
        assert_eq!(reply.header("tollgate-verdict"), "degraded", "{}", reply.as_text());
    }
    wait_for_metric(&gateway, "tollgate_shim_unanswered", &[], 1);
    wait_for("Envoy's log has no error", || {
        let log = std::fs::read_to_string(gateway.envoys[0].log()).unwrap();
        log.contains("the shim has not answered since this policy was loaded")
    });
}

#[test]
fn a_missing_cluster_is_logged_and_counted() {
    assert_error_is_logged(|policy| policy["shim"]["cluster"] = json!("missing"));
}

#[test]
fn a_cluster_without_a_shim_is_logged_and_counted() {
    assert_error_is_logged(|policy| policy["shim"]["cluster"] = json!("backend"));
}

#[test]
fn without_the_shim_each_bucket_follows_its_on_failure() {
    let mut gateway = outage::start(Front::Wasm);
    gateway.shim.kill();
    outage::assert_buckets_follow_on_failure(&gateway);
    gateway.shim.restart().unwrap();
    gateway.shim.wait_ready().unwrap();
    wait_for("Envoy does not find the shim again", || {
        !gateway.client().get("/", None).header("x-ratelimit-remaining").is_empty()
    });
}

#[test]
fn two_envoys_admit_five_logins_together_with_memory() {
    let options = Options { is_redis: false, ..options() };
    assert_eq!(admitted_by_two_envoys(options), 5);
}

#[test]
fn the_shim_logs_the_requests_trace() {
    let mut options = options();
    options.shim_env.push(("TOLLGATE_LOG".to_owned(), "debug".into()));
    let gateway = Gateway::start(&options).unwrap();
    let request =
        Request::get("/").header("traceparent", TRACEPARENT).body(Bytes::new().into()).unwrap();
    assert_eq!(gateway.client().send(request).status, 200);
    wait_for("the trace is not in the shim's log", || {
        let log = std::fs::read_to_string(gateway.shim.log()).unwrap();
        log.contains(TRACEPARENT) && log.contains("request_id")
    });
}
