//! Servers that are too old are rejected with one log line, and accepted again after an upgrade.

use harness::setup::PinnedRedis;
use harness::stack::{Port, Server, redis};
use std::path::Path;
use tempfile::TempDir;
use tests::shim::{Api, charge, counter, only_charge, request, sliding, start_shim, wait_for};

const NEEDED: &str = "Redis 7.0 or later or Valkey 7.2 or later";

fn one() -> Vec<limits::wire::Request> {
    vec![request([charge(counter("a", "b"), sliding(100, 60_000))])]
}

/// A server whose program can be replaced by another version.
struct Replaceable {
    server: Server,
    dir: TempDir,
}

impl Replaceable {
    fn start(version: PinnedRedis) -> Self {
        let dir = TempDir::new().expect("a directory");
        link(dir.path(), version);
        let program = dir.path().join("server");
        let port = Port::free().expect("a free port");
        let options = redis::Options { program, port, dir: dir.path(), args: Vec::new() };
        Self { server: redis::start(options).expect("the server starts"), dir }
    }

    fn replace(&mut self, version: PinnedRedis) {
        self.server.kill();
        link(self.dir.path(), version);
        self.server.restart().expect("the server restarts");
        self.server.wait_ready().expect("the server answers");
    }
}

fn link(dir: &Path, version: PinnedRedis) {
    let link = dir.join("server");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(version.program().expect("a server"), link).expect("a link");
}

fn log(shim: &Server) -> String {
    std::fs::read_to_string(shim.log()).expect("a log")
}

#[test]
fn a_server_that_is_too_old_is_rejected_until_it_is_replaced() {
    let mut redis = Replaceable::start(PinnedRedis::Redis6);
    let dir = TempDir::new().expect("a directory");
    let mut shim = start_shim(dir.path(), &redis::url(&redis.server), &[]);
    let sentence = format!("expected {NEEDED}, found redis 6.2.14");
    wait_for("the log to name the version", || log(&shim).contains(&sentence).then_some(()));
    let mut api = Api::connect(shim.addr());
    assert_eq!(api.try_decide(one()).expect_err("too old").status, 503);
    let refused = format!("The ledger must be {NEEDED}, found redis 6.2.14; nothing was charged.");
    let health = shim.get("/healthz").expect("an answer");
    assert_eq!(health.status, 503);
    assert!(health.body.contains(&refused), "{}", health.body);

    redis.replace(PinnedRedis::Valkey9);
    shim.wait_ready().expect("healthy without a restart");
    assert_eq!(only_charge(&api.decide(one()).decisions[0]).remaining, 99);

    redis.replace(PinnedRedis::Redis6);
    wait_for("decisions to be refused for the version", || {
        api.try_decide(one()).is_err_and(|reply| reply.as_text().contains(&refused)).then_some(())
    });
    let health = shim.get("/healthz").expect("an answer");
    assert_eq!(health.status, 503);
    assert!(health.body.contains(&refused), "{}", health.body);

    redis.replace(PinnedRedis::Redis8);
    shim.wait_ready().expect("healthy again");
    assert_eq!(only_charge(&api.decide(one()).decisions[0]).remaining, 99);
    assert!(!log(&shim).contains("newer"), "{}", log(&shim));
}

#[test]
fn a_cluster_that_is_too_old_is_rejected() {
    let dir = TempDir::new().expect("a directory");
    let options = redis::Options {
        program: PinnedRedis::Redis6.program().expect("a server"),
        port: Port::free().expect("a free port"),
        dir: dir.path(),
        args: Vec::new(),
    };
    let server = redis::start(options).expect("the server starts");
    let shim = start_shim(dir.path(), &format!("redis+cluster://{}", server.addr()), &[]);
    let sentence = format!("expected {NEEDED}, found redis 6.2.14");
    wait_for("the log to name the version", || log(&shim).contains(&sentence).then_some(()));
    assert_eq!(shim.get("/healthz").expect("an answer").status, 503);
}
