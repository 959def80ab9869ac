//! A policy that is edited while Envoy runs: no request is lost or goes undecided, and a mistake
//! changes nothing.

use harness::clock::Deadline;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, counter_of, shipped_policy, vm_reloads};
use tests::upstream::Upstream;

const LIMIT: Duration = Duration::from_secs(60);
const SENDERS: usize = 4;

/// The shipped policy with another limit for those without a token.
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

/// Waits until Envoy's counter `name` is `count`.
fn wait_for(gateway: &Gateway, name: &str, count: u64) {
    let deadline = Deadline::after(LIMIT);
    while counter_of(&gateway.envoys[0], name) < count {
        assert!(!deadline.has_passed(), "{name}: {}", gateway.envoys[0].log_tail().unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The limit by which a request was decided.
fn limit_of(reply: &Reply) -> &str {
    reply.header("x-ratelimit-limit")
}

/// Sends requests until `ended`; how many, and those that were not admitted by the ledger.
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
fn no_request_is_lost_while_the_policy_changes_and_changes_again() {
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
            // Good, bad, good, …: those who send must notice neither.
            gateway.put_policy(0, &bad_policy()).unwrap();
            wait_for(&gateway, "tollgate.update_rejected", change);
            wait_for(&gateway, "tollgate.config_fail", change);
            let limit = 1_000_000 + change;
            gateway.put_policy(0, &policy(limit)).unwrap();
            let deadline = Deadline::after(LIMIT);
            let mut tries = gateway.client();
            // Both workers have it once so many connections in a row, each from another address, meet it.
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
    assert_eq!(vm_reloads(&gateway.envoys[0]), 0);
}

#[test]
fn a_request_that_waits_while_the_policy_changes_is_decided_by_the_old_one() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream, policy(100));
    gateway.shim.pause();
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
        gateway.shim.resume();
        for reply in waiting.into_iter().map(|waiting| waiting.join().unwrap()) {
            assert_eq!((reply.status, limit_of(&reply)), (200, "100"), "{}", reply.as_text());
        }
    });
    let deadline = Deadline::after(LIMIT);
    while limit_of(&gateway.client().get("/", None)) != "200" {
        assert!(!deadline.has_passed(), "the new policy is not in force");
    }
    // What was charged stays charged: the counters are the same.
    assert_eq!(gateway.client().at(20).get("/", None).header("x-ratelimit-remaining"), "198");
}

#[test]
fn what_the_old_policy_had_leased_comes_back() {
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
    // What is leased at the moment and neither spent nor returned.
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
        // While there is demand, something is leased whenever the new policy comes.
        let returned = count("returned");
        gateway.put_policy(0, &with_limit(6)).unwrap();
        wait_for(&gateway, "tollgate.update_success", 2);
        ended.store(true, Ordering::SeqCst);
        returned
    });
    // What is charged beyond what was asked for.
    let leased = || {
        let left: u64 = ask().header("x-ratelimit-remaining").parse().unwrap();
        MANY - sent.load(Ordering::SeqCst) - left
    };
    // Whatever was leased and not spent counts until it is given back.
    while leased() != 0 {
        assert!(!deadline.has_passed(), "{} of what was leased is lost", leased());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(count("returned") > returned, "nothing was returned");
}

#[test]
fn nothing_passes_until_a_policy_has_been_read() {
    let upstream = Upstream::start().unwrap();
    let gateway = start(&upstream, bad_policy());
    wait_for(&gateway, "tollgate.update_rejected", 1);
    assert_eq!(gateway.client().get("/", None).status, 500);
    assert_eq!(gateway.client().get("/health", None).status, 500);
    assert_eq!(upstream.requests(), 0);
    let log = gateway.envoys[0].log_tail().unwrap();
    assert!(log.contains("the policy is refused: buckets.public.limt: unknown field"), "{log}");

    gateway.put_policy(0, &policy(100)).unwrap();
    let deadline = Deadline::after(LIMIT);
    while gateway.client().get("/", None).status != 200 {
        assert!(!deadline.has_passed(), "{}", gateway.envoys[0].log_tail().unwrap());
    }
}
