//! `/health` reports every outage within five seconds.

use crate::ai::{ROUTES, ada, question};
use crate::backend::Backend;
use crate::claude::Claude;
use crate::relay::Relay;
use crate::server::server;
use crate::user::User;
use backend::clock;
use harness::stack::redis;
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The time within which `/health` must report an outage.
const DEADLINE: Duration = Duration::from_secs(5);
/// The interval of polling `/health`.
const POLL: Duration = Duration::from_millis(20);

/// Causes an outage, and checks that `/health` reports `what` as down in time, with this overall
/// `status`.
fn check_reported(backend: &Backend, what: &str, status: &str, cause_outage: impl FnOnce()) {
    let start = clock::start();
    cause_outage();
    let mut health = Value::Null;
    while health[what] != "down" {
        assert!(start.elapsed() < DEADLINE, "{:?}: {health}", start.elapsed());
        thread::sleep(POLL);
        health = backend.get("/health").json();
    }
    assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
    assert_eq!(health["status"], status);
}

fn wait_until_up(backend: &Backend, what: &str) {
    backend.wait_until("it is up", || backend.get("/health").json()[what] == "up");
}

#[test]
fn a_redis_outage_is_reported_in_time() {
    let dir = TempDir::new().unwrap();
    let mut redis = redis::start(redis::Options::new(dir.path()).unwrap()).unwrap();
    let url = redis::url(&redis);
    let backend = Backend::start_with(&[("REDIS_URL", &url)]);
    wait_until_up(&backend, "redis");
    check_reported(&backend, "redis", "degraded", || redis.pause());
    redis.resume();
    wait_until_up(&backend, "redis");
    check_reported(&backend, "redis", "degraded", || redis.kill());
    redis.restart().unwrap();
    wait_until_up(&backend, "redis");
}

#[test]
fn a_database_outage_is_reported_in_time() {
    let (mut postgres, _dir) = server();
    let backend = Backend::start_on(&postgres.url("postgres"), &[]);
    check_reported(&backend, "database", "down", || postgres.kill());
}

#[test]
fn a_hung_database_is_reported_in_time() {
    let (postgres, _dir) = server();
    let relay = Relay::start(postgres.addr());
    let (direct, relayed) = (postgres.addr().to_string(), relay.addr().to_string());
    let backend = Backend::start_on(&postgres.url("postgres").replace(&direct, &relayed), &[]);
    let user = backend.user("ada@example.org");
    assert_eq!(user.me().status, 200);
    check_reported(&backend, "database", "down", || relay.freeze());
    assert_eq!(user.me().status, 503, "requests time out");
    assert_eq!(backend.get("/health/live").status, 200);
    relay.thaw();
    wait_until_up(&backend, "database");
    backend.wait_until("it is used again", || user.me().status == 200);
}

/// Sends several requests at once. None gets a 500.
fn ask_concurrently(user: &User<'_>) {
    thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || {
                let route = if number % 2 == 0 { ROUTES[0] } else { ROUTES[3] };
                let mut body = question(&ada());
                body["job_description"] = json!(format!("Job {number}: we look for Rust."));
                let reply = user.ask(route, &body);
                // 424 if Claude had begun to answer, which is charged.
                let allowed = if route == ROUTES[0] { &[200][..] } else { &[424, 503] };
                assert!(allowed.contains(&reply.status), "{}", reply.show(&[]));
            });
        }
    });
}

#[test]
fn a_claude_outage_is_reported_in_time() {
    for fault in [
        json!({"hang": true}),
        json!({"status": 529, "type": "overloaded_error"}),
        json!({"cut_after_events": 3}),
    ] {
        let claude = Claude::start();
        // The outage is reported before a hung call times out.
        let backend = claude.backend(&[("CLAUDE_TIMEOUT", "12")]);
        let user = backend.user("ada@example.org");
        claude.fault(&fault);
        thread::scope(|scope| {
            check_reported(&backend, "claude", "degraded", || {
                scope.spawn(|| ask_concurrently(&user));
            });
        });
    }
}
