//! Balances: charges and top-ups through shims, and the operator's commands.

use super::overrides::{admin, run_ok, tollgate};
use limits::counter::CounterName;
use limits::ledger::NEVER;
use limits::wire::Charge;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use tests::shim::{
    Shims, Store, TOKEN, balance, charge, counter, give_back, only_charge, request, settle,
};

const START: u64 = 3;

fn credits(who: &str) -> Charge {
    charge(counter(who, "credits"), balance(START))
}

/// Tops up a balance through the admin API. Returns the status and the reply.
fn top_up(shims: &Shims, at: usize, counter: &CounterName, amount: u64, id: &str) -> (u16, Value) {
    let body = json!({ "counter": counter, "amount": amount, "id": id });
    let reply = admin(&shims.shims[at]).post("/v1/counters/top-up", &body, Some(TOKEN));
    (reply.status, reply.json())
}

#[test]
fn a_balance_is_used_up_and_topped_up() {
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        let mut api = shims.api(0);
        let one = || request([credits("a")]);
        for left in (0..START).rev() {
            let outcome = only_charge(&api.decide_one(one()));
            let found = (outcome.admitted, outcome.limit, outcome.remaining, outcome.reset_ms);
            assert_eq!(found, (true, START, left, 0));
        }
        let denied = api.decide_one(one());
        assert_eq!((denied.admitted, denied.error, denied.retry_after_ms), (false, None, NEVER));
        let name = counter("a", "credits");
        let added =
            |changed: bool, added: u64| (200, json!({ "changed": changed, "added": added }));
        assert_eq!(top_up(&shims, 0, &name, 2, "pay-1"), added(true, 2));
        assert_eq!(top_up(&shims, 0, &name, 2, "pay-1"), added(false, 2), "a repetition");
        assert_eq!(top_up(&shims, 0, &name, 5, "pay-1").0, 409, "the id was used for 2");
        assert_eq!(top_up(&shims, 0, &name, 1 << 52, "pay-2").0, 409, "too much in all");
        assert_eq!(top_up(&shims, 0, &name, 2, "").0, 400);
        let admitted = api.decide_one(one());
        let outcome = only_charge(&admitted);
        assert_eq!((outcome.admitted, outcome.limit, outcome.remaining), (true, START + 2, 1));
        let back = settle("s", &admitted.id, &credits("a"), give_back(1));
        assert!(api.settle(vec![back]).settled[0].applied);
        assert_eq!(api.peek(name, balance(START)).charge.remaining, 2);
    }
}

/// Several clients spend one balance while it is topped up, each payment twice.
#[test]
fn a_balance_is_exact_under_concurrent_top_ups() {
    const PAYMENTS: u64 = 200;
    const EACH: u64 = 7;
    for store in [Store::Redis, Store::Cluster] {
        let shims = Shims::start(store, 2);
        let name = counter("many", "credits");
        let (given, used) = (AtomicU64::new(START), AtomicU64::new(0));
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for client in 0..4 {
                let (shims, given, used, is_over) = (&shims, &given, &used, &is_over);
                scope.spawn(move || {
                    let mut api = shims.api(client % 2);
                    while !is_over.load(Ordering::SeqCst) {
                        let decisions = api.decide(vec![request([credits("many")]); 20]).decisions;
                        let admitted = decisions.iter().filter(|one| one.admitted).count() as u64;
                        let used = used.fetch_add(admitted, Ordering::SeqCst) + admitted;
                        // A payment is counted here before it is made.
                        let given = given.load(Ordering::SeqCst);
                        assert!(used <= given, "{used} of {given}");
                    }
                });
            }
            for payment in 0..PAYMENTS {
                given.fetch_add(EACH, Ordering::SeqCst);
                for at in 0..2 {
                    let id = format!("pay-{payment}");
                    let (status, _) = top_up(&shims, at, &name, EACH, &id);
                    assert_eq!(status, 200);
                }
            }
            is_over.store(true, Ordering::SeqCst);
        });
        let mut api = shims.api(0);
        let rest = api.peek(name.clone(), balance(START)).charge;
        let given = START + PAYMENTS * EACH;
        assert_eq!(rest.limit, given);
        assert_eq!(used.load(Ordering::SeqCst) + rest.remaining, given);
    }
}

#[test]
fn operators_top_up_in_plain_text() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = dir.path().join("policy.yaml");
    let text = "
version: 1
salt: test
keys: { user: { jwt_claim: sub, otherwise: client }, client: { client_ip: {} } }
buckets:
  credits: { key: user, balance: 10 }
  calls: { key: user, limit: 10, window: 1m }
rules: []
";
    std::fs::write(&policy, text).expect("a file");
    let file = policy.to_str().expect("a path");
    let shims = Shims::start(Store::Redis, 1);
    let shim = &shims.shims[0];
    let target = |bucket: &'static str| ["--bucket", bucket, "--key", "user=42", "--policy", file];
    let top_up = |bucket, amount: &str, id: &str| {
        let command = ["counters", "top-up", "--amount", amount, "--id", id];
        tollgate(shim, &[command.as_slice(), &target(bucket)].concat())
    };
    let printed = |output: std::process::Output| String::from_utf8(output.stdout).expect("text");
    assert_eq!(
        printed(top_up("credits", "500", "pay_1")),
        "credits for user=42: added 500; 500 topped up in all\n"
    );
    assert_eq!(
        printed(top_up("credits", "500", "pay_1")),
        "credits for user=42: already added; 500 topped up in all\n"
    );
    let show = || run_ok(shim, &[["counters", "show"].as_slice(), &target("credits")].concat());
    let shown = show();
    assert!(shown.contains("given      510\n") && shown.contains("remaining  510\n"), "{shown}");
    let refused = top_up("calls", "5", "pay_2");
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("bucket calls is not a balance"), "{message}");
    run_ok(shim, &[["counters", "reset"].as_slice(), &target("credits")].concat());
    let shown = show();
    assert!(shown.contains("given      10\n") && shown.contains("remaining  10\n"), "{shown}");
}
