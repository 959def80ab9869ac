//! Connections lost around a script: nothing is charged twice, and the shim reports that the
//! outcome is unknown.

use harness::stack::redis;
use tempfile::TempDir;
use tests::shim::proxy::{Fate, Proxy};
use tests::shim::{
    Api, charge, counter, only_charge, request, sliding, start_ready, start_redis, start_shim,
    wait_for,
};

const LIMIT: u64 = 1_000;

/// Applies `fate` to one call, then reads the counter without the proxy. Returns the number of
/// times that the script was sent, and the amount that it charged.
fn call_with_fate(fate: Fate) -> (usize, u64) {
    let dir = TempDir::new().expect("a directory");
    let server = start_redis(dir.path(), &[]);
    let proxy = Proxy::start(server.addr());
    // Long enough for an answer on a busy machine, and short enough for the test to wait out.
    let env = [("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "2000")];
    let mut shim = start_shim(dir.path(), &proxy.url(), &env);
    shim.wait_ready().expect("the shim becomes ready");
    let direct = start_ready(dir.path(), &redis::url(&server));
    let mut api = Api::connect(shim.addr());
    let one = || vec![request([charge(counter("a", "b"), sliding(LIMIT, 60_000))])];
    // Use the connection before it is cut.
    assert_eq!(only_charge(&api.decide(one()).decisions[0]).remaining, LIMIT - 1);
    let before = proxy.scripts();
    proxy.next_script(fate);
    let reply = api.try_decide(one()).expect_err("no decision arrives");
    assert_eq!(reply.status, 503, "{}", reply.as_text());
    assert!(reply.as_text().contains("may have been charged"), "{}", reply.as_text());
    assert_eq!(reply.header("retry-after"), "1");
    let sent = proxy.scripts() - before;
    // After the recovery, any script in flight has run.
    wait_for("the shim to recover", || api.try_decide(one()).ok());
    let mut api = Api::connect(direct.addr());
    let left = only_charge(&api.decide_one(one().remove(0))).remaining;
    (sent, LIMIT - 3 - left)
}

#[test]
fn a_cut_connection_never_charges_twice() {
    assert_eq!(call_with_fate(Fate::CutBefore), (1, 0));
    assert_eq!(call_with_fate(Fate::CutReply), (1, 1));
    assert_eq!(call_with_fate(Fate::Swallow), (1, 1));
    let (sent, charged) = call_with_fate(Fate::CutAfter);
    assert_eq!(sent, 1);
    assert!(charged <= 1, "{charged}");
}

#[test]
fn a_silent_connection_is_replaced() {
    let dir = TempDir::new().expect("a directory");
    let server = start_redis(dir.path(), &[]);
    let proxy = Proxy::start(server.addr());
    let env = [("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "100")];
    let mut shim = start_shim(dir.path(), &proxy.url(), &env);
    shim.wait_ready().expect("the shim becomes ready");
    let direct = start_ready(dir.path(), &redis::url(&server));
    let mut api = Api::connect(shim.addr());
    let one = || vec![request([charge(counter("a", "b"), sliding(LIMIT, 60_000))])];
    for round in 0..20 {
        proxy.next_script(Fate::Swallow);
        let reply = api.try_decide(one()).expect_err("no answer");
        assert_eq!(reply.status, 503, "{round}");
        wait_for("the shim to recover", || api.try_decide(one()).ok());
    }
    // Each script sent was charged once. On a busy machine other calls may also have timed out,
    // and the last of their scripts may still be running.
    let sent = u64::try_from(proxy.scripts()).expect("a small number");
    assert!(sent >= 40, "{sent}");
    let mut direct = Api::connect(direct.addr());
    let one = charge(counter("a", "b"), sliding(LIMIT, 60_000));
    wait_for("every script to be charged once", || {
        let left = direct.peek(one.counter.clone(), one.quota).charge.remaining;
        assert!(left >= LIMIT - sent, "{sent} were sent, but {left} remain");
        (left == LIMIT - sent).then_some(())
    });
}

#[test]
fn a_flushed_script_is_loaded_again() {
    let dir = TempDir::new().expect("a directory");
    let server = start_redis(dir.path(), &[]);
    let shim = start_ready(dir.path(), &redis::url(&server));
    let mut api = Api::connect(shim.addr());
    let one = || request([charge(counter("a", "b"), sliding(LIMIT, 60_000))]);
    for charged in 1..=5 {
        let mut connection = ::redis::Client::open(redis::url(&server))
            .and_then(|client| client.get_connection())
            .expect("Redis answers");
        ::redis::cmd("SCRIPT").arg("FLUSH").exec(&mut connection).expect("SCRIPT FLUSH");
        assert_eq!(only_charge(&api.decide_one(one())).remaining, LIMIT - charged);
    }
}
