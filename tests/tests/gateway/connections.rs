//! One client's connections do not shut others out.

use harness::clock::Deadline;
use harness::envoy_config::{at, connection_limit, named};
use harness::stack::server::READY_LIMIT;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;
use tests::client::Client;
use tests::gateway::{Gateway, Options, counter_of};
use tests::hold::Held;

const POLL: Duration = Duration::from_millis(50);

/// As `envoy/envoy.yaml` says, but for the number of connections: 200 in all.
fn fewer(config: &mut Value) {
    let monitors = at(config, "/overload_manager/resource_monitors").unwrap();
    let all = named(monitors, "envoy.resource_monitors.global_downstream_max_connections").unwrap();
    *at(all, "/typed_config/max_active_downstream_connections").unwrap() = json!(200);
}

fn limit_addresses(config: &mut Value, max: u32) {
    let limit = connection_limit(config).unwrap();
    *at(limit, "/typed_config/config/configuration/value/max_per_address").unwrap() = json!(max);
}

/// 200 connections, of which an address has 20 at each worker.
fn fewer_for_each(config: &mut Value) {
    fewer(config);
    limit_addresses(config, 20);
}

/// 200 connections, all of which an address can have.
fn fewer_for_all(config: &mut Value) {
    fewer(config);
    limit_addresses(config, 1_000);
}

fn start(edit: fn(&mut Value)) -> Gateway {
    let mut options = Options { edit, ..Options::default() };
    options.policy["buckets"]["public"]["limit"] = json!(100_000);
    Gateway::start(&options).unwrap()
}

/// Has `client` open connections until it has tried 300 times. It keeps those that it gets.
fn occupy(client: &Client) -> Vec<Held> {
    (0..300).filter_map(|_| Held::idle(client).ok()).collect()
}

fn open(held: &[Held]) -> usize {
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
        assert!(!deadline.has_passed(), "{what}");
        sleep(POLL);
    }
}

#[test]
fn an_address_has_so_many_connections_and_others_have_theirs() {
    let gateway = start(fewer_for_each);
    let (greedy, other) = (gateway.client().at(2), gateway.client().at(3));
    let held = occupy(&greedy);
    wait_until("Envoy closes those past the limit", || open(&held) == 20);
    for _ in 0..50 {
        assert!(is_served(&other), "another client is served while all of them are held");
    }
    assert_eq!(open(&held), 20, "those within the limit stay");
    assert!(!is_served(&greedy));
    let refused = || counter_of(&gateway.envoys[0], "wasmcustom.tollgate.connections_refused");
    wait_until("the refused ones are counted", || refused() >= 280);
    // What an ended connection leaves is its client's again.
    drop(held);
    wait_until("its own client is served again", || is_served(&greedy));
}

#[test]
fn connections_that_say_nothing_end_where_they_become_many() {
    let gateway = start(fewer_for_all);
    let (greedy, other) = (gateway.client().at(2), gateway.client().at(3));
    let held = occupy(&greedy);
    assert!(held.len() >= 200, "there is a limit to what is accepted, not to what is tried");
    wait_until("another client is served", || is_served(&other));
    wait_until("idle connections end", || open(&held) < 160);
    for _ in 0..20 {
        assert!(is_served(&other), "it is still served");
    }
}

/// Partial requests are not idle: they have their own timeout, and the address's limit.
#[test]
fn half_a_request_holds_a_connection_no_longer_than_a_whole_one() {
    let gateway = start(fewer_for_each);
    let (greedy, other) = (gateway.client().at(2), gateway.client().at(3));
    let held = occupy(&greedy);
    held.iter().for_each(|held| held.send(b"GET / HTTP/1.1\r\nX"));
    assert!(is_served(&other));
    wait_until("Envoy closes those past the limit", || open(&held) <= 20);
    wait_until("the others end by request_headers_timeout", || open(&held) == 0);
}
