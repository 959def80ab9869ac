//! Blocks for repeated refusals, over all shims of a ledger, and the operator's view of them.

use super::overrides::{change, run_ok};
use limits::block::{AgeMs, Block, Refusals, Refused};
use limits::counter::CounterName;
use limits::quota::WindowMs;
use limits::wire::{Charge, ChargeOutcome, PeekBody};
use serde_json::json;
use tests::client::Client;
use tests::shim::{Api, Shims, Store, TOKEN, charge, counter, only_charge, request, sliding};

const HOUR_MS: u64 = 3_600_000;

/// Returns a charge of a counter with a limit of 1 a minute, which blocks after 3 refusals.
fn login() -> Charge {
    let block = Block {
        after: Refusals::clamped(3),
        within_ms: WindowMs::clamped(600_000),
        for_ms: WindowMs::clamped(HOUR_MS),
        refused: None,
    };
    Charge { block: Some(block), ..charge(counter("a", "b"), sliding(1, 60_000)) }
}

fn decide(api: &mut Api, charge: Charge) -> ChargeOutcome {
    only_charge(&api.decide_one(request([charge])))
}

/// Refuses the counter until it is blocked.
fn block(api: &mut Api) {
    let refused: Vec<bool> = (0..4).map(|_| decide(api, login()).blocked).collect();
    assert_eq!(refused, [false, false, false, true]);
}

#[test]
fn a_block_holds_in_every_shim_until_an_operator_lifts_it() {
    for store in Store::ALL {
        let shims = Shims::start(store, 2);
        let (mut api, mut other) = (shims.api(0), shims.api(1));
        block(&mut api);
        if store != Store::Memory {
            let outcome = decide(&mut other, login());
            assert!(outcome.blocked && outcome.retry_after_ms <= HOUR_MS, "{outcome:?}");
        }
        let named = json!({ "counter": login().counter });
        let show = json!({
            "counter": login().counter,
            "quota": login().quota,
            "block": login().block,
        });
        let admin = Client::of(shims.shims[0].admin_addr().expect("an admin port"));
        let shown = || admin.post("/v1/counters/show", &show, Some(TOKEN)).json();
        assert_eq!(shown()["blocked"], json!(true), "{}", shown());
        assert!(change(&shims.shims[0], "/v1/counters/unblock", &named));
        assert!(!change(&shims.shims[0], "/v1/counters/unblock", &named));
        assert_eq!(shown()["blocked"], json!(false), "{}", shown());
        let outcome = decide(&mut api, login());
        assert!(!outcome.admitted && !outcome.blocked, "what was charged stays: {outcome:?}");
        assert!(change(&shims.shims[0], "/v1/counters/reset", &named));
        assert!(decide(&mut api, login()).admitted);
    }
}

#[test]
fn refusals_from_a_gateway_s_memory_count() {
    let shims = Shims::start(Store::Redis, 1);
    let mut api = shims.api(0);
    assert!(decide(&mut api, login()).admitted);
    let refused = Some(Refused { count: Refusals::clamped(3), ago_ms: AgeMs::clamped(900) });
    let reports = |block: Block| Block { refused, ..block };
    let reporting = Charge { block: login().block.map(reports), ..login() };
    assert!(decide(&mut api, reporting).blocked);
}

#[test]
fn the_operator_s_commands_show_a_block_and_lift_it() {
    let shims = Shims::start(Store::Redis, 1);
    let shim = &shims.shims[0];
    let dir = tempfile::TempDir::new().expect("a directory");
    let policy = dir.path().join("policy.yaml");
    let text = "{ version: 1, salt: test, keys: { client: { client_ip: {} } }, \
                buckets: { login: { key: client, limit: 1, window: 1m, \
                block: { after: 3, within: 10m, for: 1h } } }, rules: [{ charge: [login] }] }";
    std::fs::write(&policy, text).expect("a file");
    let file = policy.to_str().expect("text");
    let named = ["--bucket", "login", "--key", "client=192.0.2.1", "--policy", file];
    let run = |words: &[&str]| run_ok(shim, &[words, &named].concat());
    let explained =
        run_ok(shim, &["policy", "explain", file, "--client", "192.0.2.1", "--path", "/"]);
    let name = explained.split_whitespace().find(|word| word.starts_with("tg:{"));
    let name = name.expect("a counter").to_owned();
    let name: CounterName = name.try_into().expect("a counter");
    let one = || Charge { counter: name.clone(), ..login() };
    let mut api = shims.api(0);
    let refused: Vec<bool> = (0..4).map(|_| decide(&mut api, one()).blocked).collect();
    assert_eq!(refused, [false, false, false, true]);
    let Charge { counter, quota, block, .. } = one();
    let peeked = api.peek_with(&PeekBody { counter: counter.clone(), quota, block }).charge;
    assert!(peeked.blocked && peeked.reset_ms > 3_500_000, "{peeked:?}");
    assert!(!api.peek(counter, quota).charge.blocked, "without `block`, a block is not seen");
    let shown = run(&["counters", "show"]);
    assert!(shown.contains("denied: blocked for repeated refusals until 20"), "{shown}");
    let unblocked = run(&["counters", "unblock"]);
    assert_eq!(unblocked, "login for client=192.0.2.1: unblocked\n");
    assert!(!decide(&mut api, one()).blocked);
}
