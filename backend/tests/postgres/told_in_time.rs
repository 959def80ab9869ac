//! `/health` says what is wrong within five seconds, whatever it is.

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

/// How long `/health` may take to say it.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often it is asked.
const POLL: Duration = Duration::from_millis(20);

/// Lets something go wrong: `/health` says that this is down in time, and how the whole is.
fn check_told(backend: &Backend, what: &str, status: &str, goes_wrong: impl FnOnce()) {
    let start = clock::start();
    goes_wrong();
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
fn a_redis_that_is_away_or_hangs_is_told_in_time() {
    let dir = TempDir::new().unwrap();
    let mut redis = redis::start(redis::Options::new(dir.path()).unwrap()).unwrap();
    let url = redis::url(&redis);
    let backend = Backend::start_with(&[("REDIS_URL", &url)]);
    wait_until_up(&backend, "redis");
    check_told(&backend, "redis", "degraded", || redis.pause());
    redis.resume();
    wait_until_up(&backend, "redis");
    check_told(&backend, "redis", "degraded", || redis.kill());
    redis.restart().unwrap();
    wait_until_up(&backend, "redis");
}

#[test]
fn a_database_that_is_away_is_told_in_time() {
    let (mut postgres, _dir) = server();
    let backend = Backend::start_on(&postgres.url("postgres"), &[]);
    check_told(&backend, "database", "down", || postgres.kill());
}

#[test]
fn a_database_that_hangs_is_told_in_time() {
    let (postgres, _dir) = server();
    let relay = Relay::start(postgres.addr());
    let (direct, relayed) = (postgres.addr().to_string(), relay.addr().to_string());
    let backend = Backend::start_on(&postgres.url("postgres").replace(&direct, &relayed), &[]);
    let user = backend.user("ada@example.org");
    assert_eq!(user.me().status, 200);
    check_told(&backend, "database", "down", || relay.freeze());
    assert_eq!(user.me().status, 503, "nobody waits for ever");
    assert_eq!(backend.get("/health/live").status, 200);
    relay.thaw();
    wait_until_up(&backend, "database");
    backend.wait_until("it is used again", || user.me().status == 200);
}

/// Several who ask at once. None is told of a fault of ours.
fn asked_by_many(user: &User<'_>) {
    thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || {
                let route = if number % 2 == 0 { ROUTES[0] } else { ROUTES[3] };
                let mut body = question(&ada());
                body["job_description"] = json!(format!("Job {number}: we look for Rust."));
                let reply = user.ask(route, &body);
                // 424 where it had begun to answer, and so was paid for.
                let may_be = if route == ROUTES[0] { &[200][..] } else { &[424, 503] };
                assert!(may_be.contains(&reply.status), "{}", reply.show(&[]));
            });
        }
    });
}

#[test]
fn a_claude_that_fails_or_hangs_is_told_in_time() {
    for fault in [
        json!({"hang": true}),
        json!({"status": 529, "type": "overloaded_error"}),
        json!({"cut_after_events": 3}),
    ] {
        let claude = Claude::start();
        // It is told before a call that hangs is given up.
        let backend = claude.backend(&[("CLAUDE_TIMEOUT", "12")]);
        let user = backend.user("ada@example.org");
        claude.fault(&fault);
        thread::scope(|scope| {
            check_told(&backend, "claude", "degraded", || {
                scope.spawn(|| asked_by_many(&user));
            });
        });
    }
}
