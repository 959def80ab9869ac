//! Answers that their client does not read fill no memory.

use harness::clock::Deadline;
use harness::envoy_config::{at, named};
use harness::stack::server::READY_LIMIT;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;
use tests::gateway::{Gateway, Options, counter_of, stats_of};
use tests::hold::Held;

/// The largest answer that a `GET` without a token has: 236 KB.
const PATH: &str = "/openapi.json";
const CONNECTIONS: usize = 4;
/// Fewer than an address may have.
const MAX_HELD: usize = 200;
const MB: u64 = 1 << 20;

fn start(edit: fn(&mut Value)) -> Gateway {
    let mut options = Options { edit, ..Options::default() };
    options.policy["rules"] = json!([{ "charge": [] }]);
    Gateway::start(&options).unwrap()
}

/// What Envoy has allocated.
fn allocated(gateway: &Gateway) -> u64 {
    let memory: Value = serde_json::from_str(&stats_of(&gateway.envoys[0], "/memory")).unwrap();
    memory["allocated"].as_str().unwrap().parse().unwrap()
}

/// The most that Envoy has allocated by the time that it stays as it is for two seconds.
fn settled(gateway: &Gateway) -> u64 {
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

fn serves(gateway: &Gateway) {
    let reply = gateway.client().at(3).get(PATH, None);
    assert_eq!((reply.status, reply.body.len() > 100_000), (200, true));
}

/// Holds so many streams on each of [`CONNECTIONS`]; what Envoy's memory grew by.
fn grown_by(gateway: &Gateway, streams: u32) -> (u64, Vec<Held>) {
    serves(gateway);
    let before = allocated(gateway);
    let greedy = gateway.client().at(2);
    let open = |_| Held::unread(&greedy, PATH, streams).unwrap();
    let held: Vec<Held> = (0..CONNECTIONS).map(open).collect();
    let grown = settled(gateway).saturating_sub(before);
    serves(gateway);
    (grown, held)
}

#[test]
fn a_client_cannot_open_more_streams_than_it_may() {
    let gateway = start(|_| {});
    let (grown, held) = grown_by(&gateway, 400);
    assert!(held.iter().all(Held::is_closed), "what asks for too many streams is closed");
    assert!(grown < 60 * MB, "{} MB for streams that are refused", grown / MB);
}

#[test]
fn an_unread_answer_takes_a_bounded_amount_of_memory() {
    let gateway = start(|_| {});
    let (grown, held) = grown_by(&gateway, 100);
    assert!(held.iter().all(|held| !held.is_closed()), "as many as it may have");
    // 236 KB of answer for each of 400 streams would be 92 MB.
    assert!(grown < 80 * MB, "{} MB for 400 streams", grown / MB);
}

/// As `envoy/envoy.yaml` says, but for how much memory there is.
fn little_memory(config: &mut Value) {
    let monitors = at(config, "/overload_manager/resource_monitors").unwrap();
    let heap = named(monitors, "envoy.resource_monitors.fixed_heap").unwrap();
    *at(heap, "/typed_config/max_heap_size_bytes").unwrap() = json!(120 * MB);
}

#[test]
fn where_memory_becomes_short_the_largest_streams_are_reset_and_others_are_served() {
    let gateway = start(little_memory);
    let greedy = gateway.client().at(2);
    let resets = || counter_of(&gateway.envoys[0], "reset_high_memory_stream.count");
    let deadline = Deadline::after(READY_LIMIT);
    let mut held = Vec::new();
    while resets() == 0 {
        assert!(!deadline.has_passed(), "no stream was reset: {} MB", allocated(&gateway) / MB);
        if held.len() < MAX_HELD {
            held.push(Held::unread(&greedy, PATH, 20).unwrap());
        }
        sleep(Duration::from_millis(100));
    }
    let other = gateway.client().at(3);
    while other.get("/", None).status != 200 {
        assert!(!deadline.has_passed(), "nobody else is served: {} MB", allocated(&gateway) / MB);
        sleep(Duration::from_millis(50));
    }
}
