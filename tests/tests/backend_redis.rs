//! The backend with a real Redis that fails at times.

use harness::clock::Deadline;
use harness::stack::server::READY_LIMIT;
use harness::stack::{Port, Server, backend, redis};
use serde_json::Value;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;
use tests::client::Client;
use tests::gateway::binaries;

fn start(dir: &TempDir) -> (Server, Server) {
    let redis = redis::start(redis::Options::new(dir.path()).unwrap()).unwrap();
    let backend = backend::start(backend::Options {
        program: binaries().backend.clone(),
        port: Port::free().unwrap(),
        redis_url: Some(redis::url(&redis)),
        shim_url: None,
        dir: dir.path(),
        // Longer than a working Redis needs on a busy machine.
        env: vec![("REDIS_SOCKET_TIMEOUT".to_owned(), "3".into())],
    })
    .unwrap();
    (redis, backend)
}

fn health(backend: &Server) -> Value {
    let reply = Client::of(backend.addr()).get("/health", None);
    assert_eq!(reply.status, 200, "{}", reply.as_text());
    reply.json()
}

/// Waits until `/health`, which must always answer, reports this state of Redis.
fn wait_for(backend: &Server, redis: &str, status: &str) {
    let deadline = Deadline::after(READY_LIMIT);
    loop {
        let health = health(backend);
        if health["redis"] == redis {
            assert_eq!(health["status"], status);
            return;
        }
        assert!(!deadline.has_passed(), "redis is not {redis}: {health}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn health_reports_the_state_of_redis() {
    let dir = TempDir::new().unwrap();
    let (mut redis, backend) = start(&dir);
    assert_eq!(health(&backend)["redis"], "up", "the first answer is already correct");
    assert_eq!(health(&backend)["status"], "ok");

    redis.kill();
    wait_for(&backend, "down", "degraded");
    redis.restart().unwrap();
    wait_for(&backend, "up", "ok");
}

#[test]
fn a_hanging_redis_is_down_until_it_resumes() {
    let dir = TempDir::new().unwrap();
    let (redis, backend) = start(&dir);
    redis.pause();
    wait_for(&backend, "down", "degraded");
    redis.resume();
    wait_for(&backend, "up", "ok");
}
