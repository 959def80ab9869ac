//! What only the dynamic module has, because it counts in the ledger itself.
//!
//! These tests run on the dynamic module whatever `TOLLGATE_FRONT` says.

use super::configuration::{inlined, validate};
use super::login::wrong_login;
use super::metrics::wait_for as wait_for_metric;
use super::sharing::admitted_by_two_envoys;
use super::tracing::wait_for;
use harness::envoy_config::{self, Front};
use harness::stack::redis;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tests::gateway::{Gateway, Options, counter_of, filter, module, shipped_policy};

/// The URL of a port that nobody listens on.
const NOWHERE: &str = "redis://127.0.0.1:1";
/// The time for Envoy to stop.
const GRACE: Duration = Duration::from_secs(30);

fn options() -> Options {
    Options { front: Front::Module, ..Options::default() }
}

#[test]
fn a_ledger_that_was_never_reached_is_logged_and_counted() {
    // With the shipped timeout, because each request waits for it.
    let (ledger, policy) = (Some(NOWHERE.to_owned()), shipped_policy());
    let gateway = Gateway::start(&Options { ledger, policy, ..options() }).unwrap();
    for _ in 0..4 {
        let reply = gateway.client().get("/", None);
        assert_eq!(reply.header("tollgate-verdict"), "degraded", "{}", reply.as_text());
    }
    wait_for_metric(&gateway, "tollgate_shim_unanswered", &[], 1);
    wait_for("Envoy's log has no error", || {
        let log = std::fs::read_to_string(gateway.envoys[0].log()).unwrap();
        log.contains("the ledger has not answered since this policy was loaded")
    });
}

/// A Wasm filter and a module ask one shim, and count together.
#[test]
fn a_shim_stands_before_the_ledger() {
    let mut wasm = Gateway::start(&Options { front: Front::Wasm, ..Options::default() }).unwrap();
    let ledger = Some(wasm.shim.url(""));
    let module = Gateway::start(&Options { ledger, ..options() }).unwrap();
    let clients = [wasm.client(), module.client()];
    let logins = (0..6).map(|at| wrong_login(&clients[at % 2]).status);
    assert_eq!(logins.collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429]);
    assert_eq!(
        module.client().post("/api/ai/analyze-ats-score", &json!({}), None).status,
        401,
        "refunded"
    );
    let settled = [("kind", "settle"), ("outcome", "ok")];
    wait_for_metric(&module, "tollgate_calls", &settled, 1);
    wasm.shim.kill();
    wait_for("the module decides without its shim", || {
        module.client().get("/", None).header("tollgate-verdict") == "degraded"
    });
    wasm.shim.restart().unwrap();
    wait_for("the module does not ask its shim again", || {
        module.client().get("/", None).header("tollgate-verdict") != "degraded"
    });
    assert_eq!(wrong_login(&module.client()).status, 429, "the shim's Redis remembers the logins");
}

#[test]
fn the_first_requests_wait_for_the_ledger() {
    let dir = TempDir::new().unwrap();
    let redis = redis::start(redis::Options::new(dir.path()).unwrap()).unwrap();
    redis.pause();
    let options = Options { ledger: Some(redis::url(&redis)), ..options() };
    let gateway = Gateway::start(&options).unwrap();
    std::thread::scope(|scope| {
        let client = gateway.client();
        let waiting = scope.spawn(move || client.get("/", None));
        wait_for("the request does not arrive", || {
            counter_of(&gateway.envoys[0], "http.gateway.downstream_rq_active") == 1
        });
        redis.resume();
        let reply = waiting.join().unwrap();
        assert_eq!(reply.header("x-ratelimit-remaining"), "29", "{}", reply.as_text());
    });
}

#[test]
fn each_envoy_has_its_own_memory() {
    let options = Options { is_redis: false, ..options() };
    assert_eq!(admitted_by_two_envoys(options), 10);
}

#[test]
fn leases_come_back_when_envoy_stops() {
    const MANY: u64 = 1_000_000;
    let mut options = Options { envoys: 2, ..options() };
    options.policy["buckets"]["public"] = json!({ "key": "client", "limit": MANY, "window": "1h" });
    let mut gateway = Gateway::start(&options).unwrap();
    let (sent, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let ask_on = || {
            while !ended.load(Ordering::SeqCst) {
                assert_eq!(gateway.client().get("/", None).status, 200);
                sent.fetch_add(1, Ordering::SeqCst);
            }
        };
        (0..8).for_each(|_| drop(scope.spawn(ask_on)));
        let count = |name: &str| counter_of(&gateway.envoys[0], &format!("leases.{name}$"));
        wait_for("nothing is leased", || count("granted") > count("spent") + count("returned"));
        ended.store(true, Ordering::SeqCst);
    });
    gateway.envoys[0].stop(GRACE).unwrap();
    // The other Envoy sees what is charged.
    wait_for("leased units are lost", || {
        let left = gateway.client_of(1).get("/", None).header("x-ratelimit-remaining").parse();
        MANY - left.unwrap_or(0) == sent.fetch_add(1, Ordering::SeqCst) + 1
    });
}

/// Returns the error of a configuration with this `ledger`, with these variables.
fn refusal(ledger: &Value, env: &[(&str, &str)]) -> String {
    let mut config = envoy_config::render(&envoy_config::Options {
        front: Front::Module,
        wasm: Some(filter().clone()),
        module: Some(module().clone()),
        ..envoy_config::Options::default()
    })
    .unwrap();
    let own = "/resources/0/typed_config/filter_config/value/ledger";
    *envoy_config::at(config.filter.as_mut().unwrap(), own).unwrap() = ledger.clone();
    let (valid, log) = validate(&inlined(config), env);
    let refusal = log.lines().find_map(|line| line.split_once("the configuration is refused: "));
    refusal.map_or_else(|| format!("valid: {valid}"), |(_, why)| why.to_owned())
}

#[test]
fn a_mistake_in_the_ledger_or_its_timeouts_is_refused() {
    assert_eq!(refusal(&json!("memory:"), &[]), "valid: true");
    assert_eq!(refusal(&Value::Null, &[("TOLLGATE_LEDGER", NOWHERE)]), "valid: true");
    insta::assert_snapshot!(refusal(&Value::Null, &[("TOLLGATE_LEDGER", "")]), @"expected a URL as `ledger`, or in the variable TOLLGATE_LEDGER; found neither");
    insta::assert_snapshot!(refusal(&json!("http://localhost"), &[]), @r#"ledger: expected http://HOST:PORT, found "http://localhost""#);
    assert_eq!(refusal(&json!("http://localhost:8081"), &[]), "valid: true");
    insta::assert_snapshot!(refusal(&json!("https://localhost:1"), &[]), @"ledger: expected memory:, redis://HOST:PORT, rediss://HOST:PORT (TLS), redis+cluster://HOST:PORT,HOST:PORT or rediss+cluster://…; all except memory: accept USER:PASSWORD@ and, outside a Cluster, /DB; found an unknown scheme; http://HOST:PORT is a shim");
    let timeout = |name| refusal(&json!("memory:"), &[(name, "0")]);
    insta::assert_snapshot!(timeout("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS"), @r#"TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS: expected a whole number of milliseconds from 1 to 60000, found "0""#);
    insta::assert_snapshot!(timeout("TOLLGATE_REDIS_CONNECT_TIMEOUT_MS"), @r#"TOLLGATE_REDIS_CONNECT_TIMEOUT_MS: expected a whole number of milliseconds from 1 to 60000, found "0""#);
}
