//! A connection lost around a script: nothing is charged twice, and the shim says that it does not
//! know.

use harness::stack::redis;
use tempfile::TempDir;
use tests::shim::proxy::{Fate, Proxy};
use tests::shim::{
    Api, charge, counter, only_charge, request, sliding, start_ready, start_redis, start_shim,
    wait_for,
};

const LIMIT: u64 = 1_000;

/// One call meets its `fate`; then what is counted is read past the proxy. Returns how often the
/// script was sent and how much it charged.
fn meet(fate: Fate) -> (usize, u64) {
    let dir = TempDir::new().expect("a folder");
    let server = start_redis(dir.path(), &[]);
    let proxy = Proxy::before(server.addr());
    // Long enough for an answer on a busy machine, and short enough to wait for in vain.
    let env = [("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "2000")];
    let mut shim = start_shim(dir.path(), &proxy.url(), &env);
    shim.wait_ready().expect("the shim gets ready");
    let direct = start_ready(dir.path(), &redis::url(&server));
    let mut api = Api::connect(shim.addr());
    let one = || vec![request([charge(counter("a", "b"), sliding(LIMIT, 60_000))])];
    // The connection is in use before it is cut.
    assert_eq!(only_charge(&api.decide(one()).decisions[0]).remaining, LIMIT - 1);
    let before = proxy.scripts();
    proxy.next_script(fate);
    let reply = api.try_decide(one()).expect_err("no decision can be had");
    assert_eq!(reply.status, 503, "{}", reply.as_text());
    assert!(reply.as_text().contains("may have been charged"), "{}", reply.as_text());
    assert_eq!(reply.header("retry-after"), "1");
    let sent = proxy.scripts() - before;
    // It recovers by itself, and by then whatever was under way has run.
    wait_for("the shim to recover", || api.try_decide(one()).ok());
    let mut api = Api::connect(direct.addr());
    let left = only_charge(&api.decide_one(one().remove(0))).remaining;
    (sent, LIMIT - 3 - left)
}

#[test]
fn a_cut_connection_never_charges_twice() {
    assert_eq!(meet(Fate::CutBefore), (1, 0));
    assert_eq!(meet(Fate::CutReply), (1, 1));
    assert_eq!(meet(Fate::Swallow), (1, 1));
    let (sent, charged) = meet(Fate::CutAfter);
    assert_eq!(sent, 1);
    assert!(charged <= 1, "{charged}");
}

#[test]
fn silence_is_noticed_and_the_connection_replaced() {
    let dir = TempDir::new().expect("a folder");
    let server = start_redis(dir.path(), &[]);
    let proxy = Proxy::before(server.addr());
    let env = [("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "100")];
    let mut shim = start_shim(dir.path(), &proxy.url(), &env);
    shim.wait_ready().expect("the shim gets ready");
    let direct = start_ready(dir.path(), &redis::url(&server));
    let mut api = Api::connect(shim.addr());
    let one = || vec![request([charge(counter("a", "b"), sliding(LIMIT, 60_000))])];
    for round in 0..20 {
        proxy.next_script(Fate::Swallow);
        let reply = api.try_decide(one()).expect_err("no answer");
        assert_eq!(reply.status, 503, "{round}");
        wait_for("the shim to recover", || api.try_decide(one()).ok());
    }
    // Each that was sent was charged once. On a busy machine others were too late as well; the last
    // of them may still be under way.
    let sent = u64::try_from(proxy.scripts()).expect("a small number");
    assert!(sent >= 40, "{sent}");
    let mut direct = Api::connect(direct.addr());
    let one = charge(counter("a", "b"), sliding(LIMIT, 60_000));
    wait_for("each to be charged once", || {
        let left = direct.peek(one.counter.clone(), one.quota).charge.remaining;
        assert!(left >= LIMIT - sent, "{sent} were sent, and {left} are left");
        (left == LIMIT - sent).then_some(())
    });
}

#[test]
fn a_script_that_the_server_has_forgotten_is_loaded_again() {
    let dir = TempDir::new().expect("a folder");
    let server = start_redis(dir.path(), &[]);
    let shim = start_ready(dir.path(), &redis::url(&server));
    let mut api = Api::connect(shim.addr());
    let one = || request([charge(counter("a", "b"), sliding(LIMIT, 60_000))]);
    for charged in 1..=5 {
        let mut connection = ::redis::Client::open(redis::url(&server))
            .and_then(|client| client.get_connection())
            .expect("Redis answers");
        ::redis::cmd("SCRIPT").arg("FLUSH").exec(&mut connection).expect("scripts are forgotten");
        assert_eq!(only_charge(&api.decide_one(one())).remaining, LIMIT - charged);
    }
}
