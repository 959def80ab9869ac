//! Tests of the stack's Redis with real servers.

use harness::clock::Deadline;
use harness::setup::PinnedRedis;
use harness::stack::health::ping;
use harness::stack::{Port, redis};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_restarted_server_keeps_its_port() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = redis::start(redis::Options::new(dir.path()).unwrap()).unwrap();
    let addr = server.addr();

    server.pause();
    assert!(!ping(addr), "a paused server does not answer");
    server.resume();
    server.wait_ready().unwrap();

    server.kill();
    assert!(!ping(addr));
    server.restart().unwrap();
    server.wait_ready().unwrap();
    assert_eq!(server.addr(), addr);

    drop(server);
    assert!(!ping(addr));
}

#[test]
fn each_pinned_version_runs() {
    for version in PinnedRedis::ALL {
        let dir = tempfile::tempdir().unwrap();
        let program = version.program().unwrap();
        let options = redis::Options { program, ..redis::Options::new(dir.path()).unwrap() };
        let started = redis::start(options);
        assert!(started.is_ok(), "{version:?}: {started:?}");
    }
}

#[test]
fn each_server_has_its_own_port_and_writes_only_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let start = || redis::start(redis::Options::new(dir.path()).unwrap()).unwrap();
    let mut servers = [start(), start(), start()];
    let ports: BTreeSet<u16> = servers.iter().map(|server| server.port()).collect();
    assert_eq!(ports.len(), 3);
    for server in &mut servers {
        server.stop(Duration::from_secs(30)).unwrap();
    }
    let files: BTreeSet<String> = dir
        .path()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, ports.iter().map(|port| format!("redis-{port}.log")).collect());
}

#[test]
fn a_failed_start_is_reported_with_the_servers_output() {
    let dir = tempfile::tempdir().unwrap();
    let args = vec!["--no-such-option".to_owned(), "yes".to_owned()];
    let error = redis::start(redis::Options { args, ..redis::Options::new(dir.path()).unwrap() });
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with("Redis ended (exit status: 1) before it was ready"), "{text}");
    assert!(text.contains("no-such-option"), "{text}");
}

#[test]
fn a_port_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = redis::start(redis::Options::new(dir.path()).unwrap()).unwrap();
    server.wait_ready_until(Deadline::after(Duration::from_secs(30))).unwrap();
    let error = Port::named(server.port(), "--redis-port").unwrap_err().to_string();
    let expected = format!("port {} is in use: choose another with --redis-port", server.port());
    assert_eq!(error, expected);
}
