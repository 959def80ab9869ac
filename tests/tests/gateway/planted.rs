//! A panic in the dynamic module costs one request a 500, and nothing else. The module is a build
//! that panics where a request's header asks for it, which the one that users load cannot.

use harness::clock::Deadline;
use harness::envoy_config::{Front, max_per_address};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, counter_of, module};
use tests::upstream::Upstream;

const LIMIT: Duration = Duration::from_secs(60);
const HEADER: &str = "x-planted-panic";
/// The client whose connections panic, by the last byte of its address.
const FAILING_CLIENT: u8 = 250;

fn planted() -> &'static PathBuf {
    static PLANTED: OnceLock<PathBuf> = OnceLock::new();
    PLANTED.get_or_init(|| harness::binaries::build_planted_module().expect("the module compiles"))
}

fn start(upstream: &Upstream) -> Gateway {
    start_with(upstream, |_| ())
}

fn start_with(upstream: &Upstream, edit: fn(&mut Value)) -> Gateway {
    let mut options = Options {
        edit,
        front: Front::Module,
        module: Some(planted().clone()),
        upstream: Some(upstream.addr()),
        ..Options::default()
    };
    options.policy["buckets"]["public"]["limit"] = json!(1_000);
    Gateway::start(&options).unwrap()
}

fn panicking(client: &Client, place: &str) -> Reply {
    let request = hyper::Request::get("/").header(HEADER, place);
    client.send(request.body(Default::default()).unwrap())
}

/// Returns what the ledger says is left; `None` if it has not decided the request.
fn left(reply: &Reply) -> Option<u64> {
    reply.header("x-ratelimit-remaining").parse().ok()
}

/// Sends requests that must succeed until the ledger has decided one. Returns what is left.
fn left_after_decision(client: &Client) -> u64 {
    let deadline = Deadline::after(LIMIT);
    loop {
        assert!(!deadline.has_passed(), "the ledger decides nothing");
        let reply = client.get("/", None);
        assert_eq!(reply.status, 200, "{}", reply.as_text());
        if let Some(left) = left(&reply) {
            return left;
        }
    }
}

#[test]
fn a_panic_in_a_hook_costs_one_request() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream);
    // The last of these is charged: it panics after its decision.
    for (at, (place, charged)) in [("arrival", 0), ("lock", 0), ("wake", 1)].iter().enumerate() {
        let client = gateway.client().at(10 + u8::try_from(at).unwrap());
        let before = left_after_decision(&client);
        let reply = panicking(&client, place);
        assert_eq!(reply.status, 500, "{place}: {}", reply.as_text());
        assert_eq!(reply.header("content-type"), "text/plain");
        assert_eq!(left_after_decision(&client), before - charged - 1, "{place}");
    }
    let served = upstream.requests();
    panicking(&gateway.client(), "wake");
    assert_eq!(upstream.requests(), served, "a request without an answer reached the upstream");
    assert!(gateway.envoys[0].log_tail().unwrap().contains("a fault of Tollgate: a panic"));
}

/// The ledger waits 500 ms at most for a paused Redis. A machine that is too slow for that tries
/// again, with another client.
#[test]
fn a_paused_request_survives_the_panics_of_others() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream);
    let redis = gateway.redis.as_ref().unwrap();
    let deadline = Deadline::after(LIMIT);
    for attempt in 20_u8.. {
        assert!(!deadline.has_passed(), "no request was decided after a panic of another");
        let client = gateway.client().at(attempt);
        let before = left_after_decision(&client);
        let active = counter_of(&gateway.envoys[0], "http.gateway.downstream_rq_active");
        redis.pause();
        let paused = std::thread::scope(|scope| {
            let paused = scope.spawn(|| client.get("/", None));
            while counter_of(&gateway.envoys[0], "http.gateway.downstream_rq_active") == active {
                assert!(!deadline.has_passed(), "no request is paused");
            }
            for place in ["arrival", "lock"] {
                assert_eq!(panicking(&gateway.client(), place).status, 500, "{place}");
            }
            redis.resume();
            paused.join().unwrap()
        });
        assert_eq!(paused.status, 200, "{}", paused.as_text());
        if let Some(left) = left(&paused) {
            assert_eq!(left, before - 1);
            return;
        }
    }
}

#[test]
fn a_panic_on_the_modules_thread_loses_its_calls_only() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream);
    let client = gateway.client();
    left_after_decision(&client);
    // Its reply is lost, so that `on_failure: allow` decides. The ledger has charged it.
    let reply = panicking(&client, "thread");
    assert_eq!((reply.status, left(&reply)), (200, None), "{}", reply.as_text());
    let other = gateway.client().at(30);
    let first = left_after_decision(&other);
    for sent in 1..=5 {
        let reply = other.get("/", None);
        assert_eq!(left(&reply), Some(first - sent), "{}", reply.as_text());
    }
    let log = gateway.envoys[0].log_tail().unwrap();
    assert!(log.contains("on its own thread: a panic"), "{log}");
}

#[test]
fn a_panic_at_a_new_connection_costs_that_connection() {
    let upstream = Upstream::start().unwrap();
    let gateway = start_with(&upstream, |config| {
        *max_per_address(config, Front::Module).unwrap() = json!(2);
    });
    let request = || hyper::Request::get("/").body(Default::default()).unwrap();
    for _ in 0..10 {
        assert!(gateway.client().at(FAILING_CLIENT).send_as_is(request()).is_err());
        assert_eq!(gateway.client().get("/", None).status, 200);
    }
    // Those that panicked have given their places back.
    assert_eq!(counter_of(&gateway.envoys[0], "tollgate.connections_refused"), 0);
    let log = gateway.envoys[0].log_tail().unwrap();
    assert!(log.contains("a connection ends because of a fault of Tollgate: a panic"), "{log}");
}

#[test]
fn users_load_a_module_without_planted_panics() {
    let has_them = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(HEADER.len()).any(|text| text == HEADER.as_bytes())
    };
    assert!(has_them(planted()), "the search finds nothing");
    assert!(!has_them(module()));
}
