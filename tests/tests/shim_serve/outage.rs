//! Redis dies, starts late or cannot serve: the shim answers 503 and recovers without a restart.

use harness::stack::{Port, redis};
use tempfile::TempDir;
use tests::shim::{
    Api, Shims, Store, charge, counter, only_charge, request, sliding, start_shim, wait_for,
};

fn one() -> Vec<limits::wire::Request> {
    vec![request([charge(counter("a", "b"), sliding(100, 60_000))])]
}

fn redis_connection(url: &str) -> ::redis::Connection {
    ::redis::Client::open(url).and_then(|client| client.get_connection()).expect("Redis answers")
}

#[test]
fn the_shim_reconnects_to_a_restarted_redis() {
    let mut shims = Shims::start(Store::Redis, 1);
    let mut api = shims.api(0);
    assert!(api.try_decide(one()).is_ok());
    shims.redis().kill();
    let reply = wait_for("the shim to notice", || api.try_decide(one()).err());
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let health = shims.shims[0].get("/healthz").expect("an answer");
    assert_eq!(health.status, 503, "{}", health.body);
    let metrics = shims.shims[0].get("/metrics").expect("metrics").body;
    assert!(metrics.contains("tollgate_ledger_up{") && metrics.contains("} 0"), "{metrics}");
    // During a longer outage, calls fail at once instead of timing out.
    for _ in 0..100 {
        let reply = api.try_decide(one()).expect_err("Redis is down");
        assert!(reply.as_text().contains("The ledger is not connected"), "{}", reply.as_text());
    }
    shims.redis().restart().expect("Redis restarts");
    wait_for("the shim to recover", || api.try_decide(one()).ok());
    shims.shims[0].wait_ready().expect("healthy again");
}

#[test]
fn a_shim_starts_before_its_redis() {
    let dir = TempDir::new().expect("a directory");
    let port = Port::free().expect("a free port");
    let mut shim = start_shim(dir.path(), &format!("redis://{}", port.addr()), &[]);
    let mut api = wait_for("the shim to listen", || {
        std::net::TcpStream::connect(shim.addr()).is_ok().then(|| Api::connect(shim.addr()))
    });
    assert_eq!(api.try_decide(one()).expect_err("no ledger yet").status, 503);
    let program = harness::setup::redis().expect("a server");
    let options = redis::Options { program, port, dir: dir.path(), args: Vec::new() };
    let _redis = redis::start(options).expect("Redis starts");
    shim.wait_ready().expect("the shim connects");
    assert!(api.try_decide(one()).is_ok());
}

#[test]
fn a_paused_redis_delays_calls_only_until_their_deadline() {
    let mut shims = Shims::start(Store::Redis, 1);
    let mut api = shims.api(0);
    assert!(api.try_decide(one()).is_ok());
    shims.redis().pause();
    let body = serde_json::to_vec(&limits::wire::DecideBody { requests: one() }).expect("JSON");
    let reply = api.post("/v1/decide", &[("x-envoy-expected-rq-timeout-ms", "500")], body);
    assert_eq!(reply.status, 503, "{}", reply.as_text());
    assert!(reply.as_text().contains("did not answer within 500 ms"), "{}", reply.as_text());
    shims.redis().resume();
    wait_for("the shim to recover", || api.try_decide(one()).ok());
}

#[test]
fn a_redis_that_cannot_write_is_503_until_it_recovers() {
    let shims = Shims::start(Store::Redis, 1);
    let mut api = shims.api(0);
    assert!(api.try_decide(one()).is_ok());
    let url = redis::url(shims.redis.as_ref().expect("a Redis"));
    let mut redis = redis_connection(&url);
    let nobody = Port::free().expect("a free port").number().to_string();
    for (break_command, repair_command, code) in [
        (vec!["REPLICAOF", "127.0.0.1", &nobody], vec!["REPLICAOF", "NO", "ONE"], "READONLY"),
        (vec!["CONFIG", "SET", "maxmemory", "1"], vec!["CONFIG", "SET", "maxmemory", "0"], "OOM"),
    ] {
        let mut run = |command: &[&str]| {
            ::redis::cmd(command[0]).arg(&command[1..]).exec(&mut redis).expect("a command");
        };
        run(&break_command);
        let reply = wait_for("a call to fail", || api.try_decide(one()).err());
        assert_eq!(reply.status, 503);
        let health = shims.shims[0].get("/healthz").expect("an answer");
        assert_eq!(health.status, 503, "{code}: {}", health.body);
        run(&repair_command);
        wait_for("the shim to recover", || api.try_decide(one()).ok());
        let log = std::fs::read_to_string(shims.shims[0].log()).expect("a log");
        assert!(log.contains(code), "{code} is not in the log:\n{log}");
    }
}

#[test]
fn a_damaged_counter_counts_as_absent_and_is_logged_once() {
    let shims = Shims::start(Store::Redis, 1);
    let mut api = shims.api(0);
    let url = redis::url(shims.redis.as_ref().expect("a Redis"));
    let mut redis = redis_connection(&url);
    let (good, bad) = (counter("a", "good"), counter("a", "bad"));
    for (round, damage) in ["", "x", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}"].iter().enumerate()
    {
        ::redis::cmd("SET").arg(bad.as_str()).arg(damage).exec(&mut redis).expect("SET");
        let quota = sliding(100, 60_000);
        let reply = api.decide(vec![
            request([charge(good.clone(), quota)]),
            request([charge(bad.clone(), quota)]),
        ]);
        assert_eq!(only_charge(&reply.decisions[0]).remaining, 99 - round as u64);
        assert_eq!(only_charge(&reply.decisions[1]).remaining, 99, "{damage:?}");
    }
    ::redis::cmd("DEL").arg(bad.as_str()).exec(&mut redis).expect("DEL");
    ::redis::cmd("RPUSH").arg(bad.as_str()).arg("x").exec(&mut redis).expect("RPUSH");
    let reply = api.decide(vec![request([charge(bad.clone(), sliding(100, 60_000))])]);
    assert_eq!(only_charge(&reply.decisions[0]).remaining, 99);
    let log = std::fs::read_to_string(shims.shims[0].log()).expect("a log");
    assert_eq!(log.matches(bad.as_str()).count(), 1, "{log}");
    let metrics = shims.shims[0].get("/metrics").expect("metrics").body;
    assert!(metrics.contains("tollgate_damaged_counters_total"), "{metrics}");
}

#[test]
fn a_full_memory_ledger_rejects_new_counters_and_keeps_old_ones() {
    let shims = Shims::start_with(Store::Memory, 1, &[("TOLLGATE_MEMORY_COUNTERS", "1")]);
    let mut api = shims.api(0);
    let of = |who: &str| request([charge(counter(who, "b"), sliding(100, 60_000))]);
    assert_eq!(only_charge(&api.decide_one(of("a"))).remaining, 99);
    let reply = api.try_decide(vec![of("b")]).expect_err("the ledger is full");
    assert_eq!(reply.status, 503);
    assert!(reply.as_text().contains("in-memory ledger is full"), "{}", reply.as_text());
    // In a mixed call, the request with an existing counter is decided.
    let reply = api.decide(vec![of("a"), of("b")]);
    assert_eq!(only_charge(&reply.decisions[0]).remaining, 98);
    assert_eq!(reply.decisions[1].error, Some(limits::wire::DecisionError::Unavailable));
    let log = std::fs::read_to_string(shims.shims[0].log()).expect("a log");
    assert!(log.contains("--memory-counters"), "{log}");
}
