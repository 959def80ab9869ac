//! Responses that clients do not read cannot fill Envoy's memory.

use harness::clock::Deadline;
use harness::envoy_config::{at, named};
use harness::stack::server::READY_LIMIT;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;
use tests::gateway::{Gateway, Options, counter_of, stats_of};
use tests::hold::HeldConnection;

/// The largest response to a `GET` without a token: 236 KB.
const PATH: &str = "/openapi.json";
const CONNECTIONS: usize = 4;
/// Fewer connections than the limit per address.
const MAX_HELD: usize = 200;
const MB: u64 = 1 << 20;

fn start(edit: fn(&mut Value)) -> Gateway {
    let mut options = Options { edit, ..Options::default() };
    options.policy["rules"] = json!([{ "charge": [] }]);
    Gateway::start(&options).unwrap()
}

/// Returns the bytes that Envoy has allocated.
fn allocated(gateway: &Gateway) -> u64 {
    let memory: Value = serde_json::from_str(&stats_of(&gateway.envoys[0], "/memory")).unwrap();
    memory["allocated"].as_str().unwrap().parse().unwrap()
}

/// Waits until Envoy's memory has not grown for two seconds, and returns its peak.
fn peak_allocated(gateway: &Gateway) -> u64 {
    let deadline = Deadline::after(READY_LIMIT);
    let (mut most, mut still) = (0, 0);
    while still < 20 {
        assert!(!deadline.has_passed(), "Envoy's memory still grows: {} MB", most / MB);
        let now = allocated(gateway);
        still = if now > most + MB { 0 } else { still + 1 };
        most = most.max(now);
        sleep(Duration::from_millis(100));
    }
    most
}

fn assert_serves(gateway: &Gateway) {
    let reply = gateway.client().at(3).get(PATH, None);
    assert_eq!((reply.status, reply.body.len() > 100_000), (200, true));
}

/// Opens `streams` unread streams on each of [`CONNECTIONS`] connections. Returns the growth of
/// Envoy's memory and the connections.
fn hold_streams(gateway: &Gateway, streams: u32) -> (u64, Vec<HeldConnection>) {
    assert_serves(gateway);
    let before = allocated(gateway);
    let greedy = gateway.client().at(2);
    let open = |_| HeldConnection::unread(&greedy, PATH, streams).unwrap();
    let held: Vec<HeldConnection> = (0..CONNECTIONS).map(open).collect();
    let grown = peak_allocated(gateway).saturating_sub(before);
    assert_serves(gateway);
    (grown, held)
}

#[test]
fn a_connection_with_too_many_streams_is_closed() {
    let gateway = start(|_| {});
    let (grown, held) = hold_streams(&gateway, 400);
    assert!(
        held.iter().all(HeldConnection::is_closed),
        "Envoy closes connections with too many streams"
    );
    assert!(grown < 60 * MB, "{} MB for refused streams", grown / MB);
}

#[test]
fn unread_responses_use_bounded_memory() {
    let gateway = start(|_| {});
    let (grown, held) = hold_streams(&gateway, 100);
    assert!(held.iter().all(|held| !held.is_closed()), "100 streams are within the limit");
    // Buffering 236 KB for each of 400 streams would take 92 MB.
    assert!(grown < 80 * MB, "{} MB for 400 streams", grown / MB);
}

/// Lowers the heap limit of `envoy/envoy.yaml`.
fn limit_heap(config: &mut Value) {
    let monitors = at(config, "/overload_manager/resource_monitors").unwrap();
    let heap = named(monitors, "envoy.resource_monitors.fixed_heap").unwrap();
    *at(heap, "/typed_config/max_heap_size_bytes").unwrap() = json!(120 * MB);
}

#[test]
fn low_memory_resets_the_largest_streams_and_serves_others() {
    let gateway = start(limit_heap);
    let greedy = gateway.client().at(2);
    let resets = || counter_of(&gateway.envoys[0], "reset_high_memory_stream.count");
    let deadline = Deadline::after(READY_LIMIT);
    let mut held = Vec::new();
    while resets() == 0 {
        assert!(!deadline.has_passed(), "no stream was reset: {} MB", allocated(&gateway) / MB);
        if held.len() < MAX_HELD {
            held.push(HeldConnection::unread(&greedy, PATH, 20).unwrap());
        }
        sleep(Duration::from_millis(100));
    }
    let other = gateway.client().at(3);
    while other.get("/", None).status != 200 {
        assert!(
            !deadline.has_passed(),
            "other clients are not served: {} MB",
            allocated(&gateway) / MB
        );
        sleep(Duration::from_millis(50));
    }
}
