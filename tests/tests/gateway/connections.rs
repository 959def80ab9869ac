//! One client's connections cannot shut out others.

use harness::clock::Deadline;
use harness::envoy_config::{at, max_per_address, named};
use harness::stack::server::READY_LIMIT;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;
use tests::client::Client;
use tests::gateway::{Gateway, Options, counter_of, front};
use tests::hold::HeldConnection;

const POLL: Duration = Duration::from_millis(50);

/// Lowers the total connection limit of `envoy/envoy.yaml` to 200.
fn limit_200_connections(config: &mut Value) {
    let monitors = at(config, "/overload_manager/resource_monitors").unwrap();
    let all = named(monitors, "envoy.resource_monitors.global_downstream_max_connections").unwrap();
    *at(all, "/typed_config/max_active_downstream_connections").unwrap() = json!(200);
}

fn limit_addresses(config: &mut Value, max: u32) {
    *max_per_address(config, front()).unwrap() = json!(max);
}

/// Allows 200 connections in total, and 20 per address.
fn limit_20_per_address(config: &mut Value) {
    limit_200_connections(config);
    limit_addresses(config, 20);
}

/// Allows 200 connections in total, all of which one address can have.
fn limit_1000_per_address(config: &mut Value) {
    limit_200_connections(config);
    limit_addresses(config, 1_000);
}

fn start(edit: fn(&mut Value)) -> Gateway {
    let mut options = Options { edit, ..Options::default() };
    options.policy["buckets"]["public"]["limit"] = json!(100_000);
    Gateway::start(&options).unwrap()
}

/// Tries to open 300 idle connections and keeps those that succeed.
fn occupy(client: &Client) -> Vec<HeldConnection> {
    (0..300).filter_map(|_| HeldConnection::idle(client).ok()).collect()
}

fn count_open(held: &[HeldConnection]) -> usize {
    held.iter().filter(|held| !held.is_closed()).count()
}

fn is_served(client: &Client) -> bool {
    let request = hyper::Request::get("/").header("host", "gateway");
    let reply = client.send_as_is(request.body(hyper::body::Bytes::new().into()).unwrap());
    reply.is_ok_and(|reply| reply.status == 200)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Deadline::after(READY_LIMIT);
    while !holds() {
        assert!(!deadline.has_passed(), "timed out waiting until {what}");
        sleep(POLL);
    }
}

#[test]
fn the_limit_per_address_leaves_connections_for_others() {
    let gateway = start(limit_20_per_address);
    let (greedy, other) = (gateway.client().at(2), gateway.client().at(3));
    let held = occupy(&greedy);
    wait_until("Envoy closes connections beyond the limit", || count_open(&held) == 20);
    for _ in 0..50 {
        assert!(is_served(&other), "other clients are served meanwhile");
    }
    assert_eq!(count_open(&held), 20, "connections within the limit stay open");
    assert!(!is_served(&greedy));
    let refused = || counter_of(&gateway.envoys[0], "tollgate.connections_refused");
    wait_until("refused connections are counted", || refused() >= 280);
    // Closed connections free the client's limit.
    drop(held);
    wait_until("the greedy client is served again", || is_served(&greedy));
}

#[test]
fn idle_connections_end_when_there_are_too_many() {
    let gateway = start(limit_1000_per_address);
    let (greedy, other) = (gateway.client().at(2), gateway.client().at(3));
    let held = occupy(&greedy);
    assert!(held.len() >= 200, "the limit applies to accepted connections, not to attempts");
    wait_until("another client is served", || is_served(&other));
    wait_until("idle connections end", || count_open(&held) < 160);
    for _ in 0..20 {
        assert!(is_served(&other), "the other client is still served");
    }
}

/// A partial request is not idle. It has its own timeout, and the limit per address still applies.
#[test]
fn partial_requests_time_out() {
    let gateway = start(limit_20_per_address);
    let (greedy, other) = (gateway.client().at(2), gateway.client().at(3));
    let held = occupy(&greedy);
    held.iter().for_each(|held| held.send(b"GET / HTTP/1.1\r\nX"));
    assert!(is_served(&other));
    wait_until("Envoy closes connections beyond the limit", || count_open(&held) <= 20);
    wait_until("request_headers_timeout ends the others", || count_open(&held) == 0);
}
