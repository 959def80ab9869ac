//! The filter's contact with the shim: clusters with generated names, and mistakes in the settings.

use super::metrics::wait_for as wait_for_metric;
use super::tracing::wait_for;
use serde_json::{Value, json};
use tests::gateway::{Gateway, Options};

/// A cluster's name as Istio generates it.
const ISTIO: &str = "outbound|8081||tollgate.ns.svc.cluster.local";
/// A cluster's name as Envoy Gateway generates it.
const ENVOY_GATEWAY: &str = "httproute/default/backend/rule/0";

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
        let mut options = Options { edit, ..Options::default() };
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
    let mut options = Options::default();
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
