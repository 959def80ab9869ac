//! A publicly known salt is logged as a warning: once by each Envoy, and once by the shim, which
//! detects it from the Wasm filter's calls.

use super::tracing::wait_for;
use harness::envoy_config::Front;
use harness::stack::Server;
use limits::policy::KNOWN_SALT;
use serde_json::json;
use tests::gateway::{Gateway, Options, counter_of};

/// Returns the number of times that `server` has logged the warning.
fn warnings(server: &Server) -> usize {
    std::fs::read_to_string(server.log()).unwrap().matches(KNOWN_SALT).count()
}

#[test]
fn the_filter_and_the_shim_each_warn_once_about_a_known_salt() {
    let gateway = Gateway::start(&Options { workers: 2, ..Options::default() }).unwrap();
    (10..18).for_each(|last| assert_eq!(gateway.client().at(last).get("/", None).status, 200));
    // The dynamic module makes no calls to the shim.
    let by_shim = usize::from(gateway.front == Front::Wasm);
    wait_for("the warning is not in the shim's log", || warnings(&gateway.shim) == by_shim);
    // Another policy with the same salt causes no new warning.
    let mut policy = Options::default().policy;
    policy["buckets"]["public"]["limit"] = json!(31);
    gateway.put_policy(0, &policy).unwrap();
    wait_for("the new policy is not in force", || {
        counter_of(&gateway.envoys[0], "tollgate.update_success") >= 2
    });
    (20..28).for_each(|last| assert_eq!(gateway.client().at(last).get("/", None).status, 200));
    assert_eq!((warnings(&gateway.envoys[0]), warnings(&gateway.shim)), (1, by_shim));
}

#[test]
fn a_private_salt_causes_no_warning() {
    let mut options = Options { workers: 2, ..Options::default() };
    options.policy["salt"] = json!("our-own");
    let gateway = Gateway::start(&options).unwrap();
    let reply = gateway.client().get("/", None);
    assert_eq!((reply.status, reply.header("x-ratelimit-remaining")), (200, "29"));
    assert_eq!((warnings(&gateway.envoys[0]), warnings(&gateway.shim)), (0, 0));
}
