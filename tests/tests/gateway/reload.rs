//! Policy changes while Envoy runs: every request is decided, and an invalid policy changes
//! nothing.

use harness::clock::Deadline;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, counter_of, crashes, shipped_policy};
use tests::upstream::Upstream;

const LIMIT: Duration = Duration::from_secs(60);
const SENDERS: usize = 4;

/// Returns the shipped policy with another limit for anonymous requests.
fn policy(limit: u64) -> Value {
    let mut policy = shipped_policy();
    policy["shim"]["timeout"] = json!("10s");
    policy["buckets"]["public"]["limit"] = json!(limit);
    policy
}

fn bad_policy() -> Value {
    let mut bad = policy(3);
    bad["buckets"]["public"]["limt"] = json!(3);
    bad
}

fn start(upstream: &Upstream, policy: Value) -> Gateway {
    let upstream = Some(upstream.addr());
    Gateway::start(&Options { policy, upstream, workers: 2, ..Options::default() }).unwrap()
}

/// Waits until Envoy's counter `name` is at least `count`.
fn wait_for(gateway: &Gateway, name: &str, count: u64) {
    let deadline = Deadline::after(LIMIT);
    while counter_of(&gateway.envoys[0], name) < count {
        assert!(!deadline.has_passed(), "{name}: {}", gateway.envoys[0].log_tail().unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the limit that applied to a request.
fn limit_of(reply: &Reply) -> &str {
    reply.header("x-ratelimit-limit")
}

/// Sends requests until `ended`. Returns their number and the replies that the ledger did not
/// admit.
fn send(client: &Client, ended: &AtomicBool) -> (u64, Vec<String>) {
    let (mut sent, mut wrong) = (0, Vec::new());
    while !ended.load(Ordering::SeqCst) {
        let reply = client.get("/", None);
        sent += 1;
        if reply.status != 200 || limit_of(&reply).is_empty() {
            wrong.push(reply.as_text());
        }
    }
    (sent, wrong)
}

#[test]
fn repeated_policy_changes_lose_no_request() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream, policy(1_000_000));
    let ended = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let client = |last: usize| gateway.client().at(u8::try_from(10 + last).unwrap());
        let senders: Vec<_> = (0..SENDERS)
            .map(|n| {
                let (client, ended) = (client(n), &ended);
                scope.spawn(move || send(&client, ended))
            })
            .collect();
        for change in 1..=5_u64 {
            // Alternate valid and invalid policies. The senders must notice neither.
            gateway.put_policy(0, &bad_policy()).unwrap();
            wait_for(&gateway, "tollgate.update_rejected", change);
            wait_for(&gateway, "tollgate.config_fail", change);
            let limit = 1_000_000 + change;
            gateway.put_policy(0, &policy(limit)).unwrap();
            let deadline = Deadline::after(LIMIT);
            let mut tries = gateway.client();
            // When 8 new connections in a row see the new policy, both workers have it, almost
            // certainly.
            let mut met = 0;
            while met < 8 {
                assert!(!deadline.has_passed(), "the new policy is not in force");
                tries = tries.at(100 + met);
                let is_new = limit_of(&tries.get("/", None)) == limit.to_string();
                met = if is_new { met + 1 } else { 0 };
            }
        }
        ended.store(true, Ordering::SeqCst);
        senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<_>>()
    });
    for (sent, wrong) in sent {
        assert!(sent > 0);
        assert!(wrong.is_empty(), "{} of {sent}: {}", wrong.len(), wrong.join("\n"));
    }
    assert_eq!(crashes(&gateway.envoys[0]), 0);
}

#[test]
fn a_request_paused_during_a_policy_change_is_decided_by_the_old_policy() {
    let upstream = Upstream::start().unwrap();
    let mut gateway = start(&upstream, policy(100));
    gateway.ledger_server().pause();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..8_u8)
            .map(|n| {
                let client = gateway.client().at(20 + n);
                scope.spawn(move || client.get("/", None))
            })
            .collect();
        wait_for(&gateway, "http.gateway.downstream_rq_active", 8);
        gateway.put_policy(0, &policy(200)).unwrap();
        wait_for(&gateway, "tollgate.update_success", 2);
        gateway.ledger_server().resume();
        for reply in waiting.into_iter().map(|waiting| waiting.join().unwrap()) {
            assert_eq!((reply.status, limit_of(&reply)), (200, "100"), "{}", reply.as_text());
        }
    });
    let deadline = Deadline::after(LIMIT);
    while limit_of(&gateway.client().get("/", None)) != "200" {
        assert!(!deadline.has_passed(), "the new policy is not in force");
    }
    // The counters are the same, so earlier charges remain.
    assert_eq!(gateway.client().at(20).get("/", None).header("x-ratelimit-remaining"), "198");
}

#[test]
fn leases_of_the_old_policy_come_back() {
    const MANY: u64 = 1_000_000;
    let with_limit = |auth: u64| {
        let mut policy = policy(MANY);
        policy["buckets"]["public"]["window"] = json!("1h");
        policy["buckets"]["auth"]["limit"] = json!(auth);
        policy
    };
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream, with_limit(5));
    let sent = AtomicU64::new(0);
    let ask = || {
        sent.fetch_add(1, Ordering::SeqCst);
        gateway.client().get("/", None)
    };
    let deadline = Deadline::after(LIMIT);
    let count = |name: &str| counter_of(&gateway.envoys[0], &format!("leases.{name}$"));
    // The amount leased now and neither spent nor returned.
    let held = || count("granted").saturating_sub(count("spent") + count("returned"));
    let ended = AtomicBool::new(false);
    let returned = std::thread::scope(|scope| {
        let ask_on = || {
            while !ended.load(Ordering::SeqCst) {
                assert_eq!(ask().status, 200);
            }
        };
        (0..8).for_each(|_| drop(scope.spawn(ask_on)));
        while held() == 0 {
            assert!(!deadline.has_passed(), "nothing is leased");
        }
        // Demand continues, so something is leased when the new policy arrives.
        let returned = count("returned");
        gateway.put_policy(0, &with_limit(6)).unwrap();
        wait_for(&gateway, "tollgate.update_success", 2);
        ended.store(true, Ordering::SeqCst);
        returned
    });
    // The amount charged beyond the requests sent.
    let leased = || {
        let left: u64 = ask().header("x-ratelimit-remaining").parse().unwrap();
        MANY - sent.load(Ordering::SeqCst) - left
    };
    // Unspent leases count until they are returned.
    while leased() != 0 {
        assert!(!deadline.has_passed(), "{} leased units are lost", leased());
        std::thread::sleep(Duration::from_millis(100));
    }
    // Metrics follow with the next tick.
    while count("returned") <= returned {
        assert!(!deadline.has_passed(), "nothing was returned");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nothing_passes_until_a_policy_is_loaded() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream, bad_policy());
    wait_for(&gateway, "tollgate.update_rejected", 1);
    assert_eq!(gateway.client().get("/", None).status, 500);
    assert_eq!(gateway.client().get("/health", None).status, 500);
    assert_eq!(upstream.requests(), 0);
    let log = gateway.envoys[0].log_tail().unwrap();
    assert!(log.contains("is refused: buckets.public.limt: unknown field"), "{log}");

    gateway.put_policy(0, &policy(100)).unwrap();
    let deadline = Deadline::after(LIMIT);
    while gateway.client().get("/", None).status != 200 {
        assert!(!deadline.has_passed(), "{}", gateway.envoys[0].log_tail().unwrap());
    }
}
