//! The test itself.

use super::faults;
use super::history::exceeding;
use super::load::{Dice, Load, Seen};
use super::stack::{LIMITS, Stack, TIMEOUT_MS, WINDOW_S};
use super::upstream::{self, Record};
use harness::clock::{Deadline, Stopwatch};
use harness::envoy_config::Front;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::client::Client;
use tests::gateway::{counter_of, crashes, front, stats_of};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const CLIENTS: usize = 16;
const WINDOW: Duration = Duration::from_secs(WINDOW_S);
/// The time limit for recovery after the faults.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Deadline::after(WAIT_LIMIT);
    while !is_true() {
        assert!(!deadline.has_passed(), "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asserts that no request is stuck, no VM crashed, and the ledger decides again.
fn assert_recovered(stack: &Stack) {
    for envoy in &stack.envoys {
        let client = Client::of(envoy.addr());
        wait_for("the ledger decides again", || {
            let answer = client.get("/open", None);
            answer.status == 200 && answer.header("tollgate-verdict").is_empty()
        });
        wait_for("every breaker is closed", || counter_of(envoy, "breaker.open$") == 0);
        wait_for("no request is stuck", || {
            counter_of(envoy, "http.gateway.downstream_rq_active") == 0
        });
        assert_eq!(crashes(envoy), 0, "{}", stats_of(envoy, "/stats?filter=vm_reload"));
    }
}

fn assert_limits_held(record: &Record, seen: &Seen) {
    for (path, limit) in LIMITS {
        let arrived = record.of(path);
        assert!(!arrived.is_empty(), "no request reached {path}");
        if path == "/near" {
            // The ledger's limit, plus the local limits of two Envoys.
            assert_eq!(exceeding(limit * 3, WINDOW, &arrived), []);
        } else {
            assert_eq!(exceeding(limit, WINDOW, &arrived), [], "{path}");
        }
    }
    let near = LIMITS.iter().find(|(path, _)| *path == "/near").unwrap().1;
    let local = seen.degraded.iter().filter(|(payer, _)| payer.0 == "/near");
    assert_eq!(
        exceeding(near, WINDOW, &local.map(|(p, all)| (p.clone(), all.clone())).collect()),
        []
    );
    let decided = seen.decided.iter().filter(|(payer, _)| payer.0 == "/near");
    assert_eq!(
        exceeding(near, WINDOW, &decided.map(|(p, all)| (p.clone(), all.clone())).collect()),
        []
    );
    let strict = seen.degraded.keys().find(|payer| payer.0 == "/strict" || payer.0 == "/hot");
    assert_eq!(strict, None, "admitted without the ledger despite on_failure: deny");
}

/// Asserts that every kind of outcome occurred. Limits that no client reached would hold trivially.
fn assert_coverage(seen: &Seen, stack: &Stack) {
    for answer in ["200", "200 degraded", "429", "429 degraded", "503 degraded"] {
        assert!(seen.answers.contains_key(answer), "no answer was {answer}: {:?}", seen.answers);
    }
    for path in ["/near", "/open"] {
        let degraded = seen.degraded.keys().any(|payer| payer.0 == path);
        assert!(degraded, "no request passed {path} without the ledger");
    }
    assert!(seen.left_early > 0, "no client disconnected early");
    for name in [
        "leases.granted",
        "leases.spent",
        "leases.returned",
        "denied_before.hits",
        "breaker.opened",
    ] {
        let counts: Vec<u64> = stack.envoys.iter().map(|envoy| counter_of(envoy, name)).collect();
        assert!(counts.iter().sum::<u64>() > 0, "{name}: {counts:?}");
    }
    if front() == Front::Module {
        for envoy in &stack.envoys {
            assert!(counter_of(envoy, "tollgate.update_success") > 1, "no policy was replaced");
        }
    }
}

/// Prints a summary for humans. The test asserts nothing about timings.
fn print_summary(seen: &Seen, stack: &Stack, returns: &[Duration]) {
    let mut waits = seen.waits.clone();
    waits.sort();
    let late = Duration::from_millis(TIMEOUT_MS + 100);
    let over = waits.iter().filter(|wait| **wait > late).count();
    let longest = waits.last().copied().unwrap_or_default();
    eprintln!("{:?}", seen.answers);
    eprintln!(
        "{} answers, {over} after more than {late:?}, the last after {longest:?}",
        waits.len()
    );
    eprintln!("{} clients disconnected early", seen.left_early);
    for returned in returns {
        let decided = seen.decided.values().flatten().map(|passed| passed.sent);
        let first = decided.filter(|sent| sent > returned).min().unwrap_or_default();
        let later = first.saturating_sub(*returned);
        eprintln!("Redis came back at {returned:.1?}: decided again {later:.3?} later");
    }
    for envoy in &stack.envoys {
        let count = |name| counter_of(envoy, name);
        eprintln!(
            "leases spent {}, denied before {}, breaker opened {}, settles dropped {}",
            count("leases.spent"),
            count("denied_before.hits"),
            count("breaker.opened"),
            count("settles.dropped"),
        );
    }
}

#[test]
fn a_minute_of_faults_exceeds_no_limit_and_leaves_no_request_stuck() {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let record = Arc::new(Record::default());
    let mut stack = Stack::start(listener.local_addr().unwrap().port());
    let clock = Stopwatch::start();
    runtime.spawn(upstream::serve(listener, record.clone(), clock));
    let (seen, ends) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|at| {
            let envoy = at % 2;
            let (to, seen, ends) = (stack.envoys[envoy].addr(), seen.clone(), ends.clone());
            let load = Load { envoy, to, clock, seen, ends };
            runtime.spawn(load.run(Dice(at as u64)))
        })
        .collect();
    let returns = faults::play(&mut stack, clock);
    ends.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        for client in clients {
            client.await.unwrap();
        }
    });
    let seen = seen.lock().unwrap();
    print_summary(&seen, &stack, &returns);
    assert_eq!((&seen.stuck, &seen.broken), (&Vec::new(), &Vec::new()));
    assert_limits_held(&record, &seen);
    assert_coverage(&seen, &stack);
    let other = seen.answers.keys().find(|answer| {
        !["200", "200 degraded", "429", "429 degraded", "503 degraded"].contains(&answer.as_str())
    });
    assert_eq!(other, None, "{:?}", seen.answers);
    assert_recovered(&stack);
}
