//! Overrides, the admin API and the operator's commands.

use harness::paths;
use harness::stack::Server;
use limits::ledger::TimeMs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Command, Output};
use tests::client::Client;
use tests::gateway::binaries;
use tests::shim::{
    Api, Shims, Store, TOKEN, charge, counter, only_charge, request, sliding, tokens, wait_for,
};

const MINUTE_MS: u64 = 60_000;

pub(super) fn admin(shim: &Server) -> Client {
    Client::of(shim.admin_addr().expect("an admin port"))
}

pub(super) fn change(shim: &Server, path: &str, body: &Value) -> bool {
    let reply = admin(shim).post(path, body, Some(TOKEN));
    assert_eq!(reply.status, 200, "{}", reply.as_text());
    reply.json()["changed"].as_bool().expect("a boolean")
}

/// Runs `tollgate` with `args` in the repository's root.
pub(super) fn tollgate(shim: &Server, args: &[&str]) -> Output {
    let url = format!("http://{}", shim.admin_addr().expect("an admin port"));
    Command::new(&binaries().shim)
        .args(args)
        .env("TOLLGATE_ADMIN_URL", url)
        .env("TOLLGATE_ADMIN_TOKEN", TOKEN)
        .current_dir(paths::root())
        .output()
        .expect("the program runs")
}

pub(super) fn run_ok(shim: &Server, args: &[&str]) -> String {
    let output = tollgate(shim, args);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {message}");
    String::from_utf8(output.stdout).expect("text")
}

fn limit_at(api: &mut Api) -> (u64, bool) {
    let outcome =
        only_charge(&api.decide_one(request([charge(counter("a", "b"), sliding(10, MINUTE_MS))])));
    (outcome.limit, outcome.admitted)
}

#[test]
fn an_override_set_through_one_shim_applies_in_another() {
    let shims = Shims::start(Store::Redis, 2);
    let mut other = shims.api(1);
    let name = counter("a", "b");
    assert_eq!(limit_at(&mut other), (10, true));
    for (body, expected) in [
        (json!({ "counter": name, "override": { "limit": 77 } }), (77, true)),
        (json!({ "counter": name, "override": "unlimited" }), (1 << 53, true)),
        (json!({ "counter": name, "override": { "limit": 1 } }), (1, false)),
    ] {
        assert!(change(&shims.shims[0], "/v1/overrides/set", &body));
        assert!(!change(&shims.shims[0], "/v1/overrides/set", &body));
        // The unit tests of `overrides::watch` check how fast this happens.
        wait_for("the other shim to see it", || (limit_at(&mut other) == expected).then_some(()));
    }
    assert!(change(&shims.shims[0], "/v1/overrides/remove", &json!({ "counter": name })));
    wait_for("the other shim to see it", || (limit_at(&mut other).0 == 10).then_some(()));
}

/// Returns the server's call count for each command.
fn calls(shims: &mut Shims) -> BTreeMap<String, u64> {
    let url = harness::stack::redis::url(shims.redis());
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    let text: String = redis::cmd("INFO").arg("commandstats").query(&mut connection).unwrap();
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split_once(',')?.0.parse().ok()?))
    };
    text.lines().filter_map(count).collect()
}

#[test]
fn a_decision_is_one_command_even_with_an_override() {
    const DECISIONS: u64 = 200;
    let mut shims = Shims::start(Store::Redis, 1);
    let mut api = shims.api(0);
    let body = json!({ "counter": counter("a", "b"), "override": { "limit": 1_000 } });
    assert!(change(&shims.shims[0], "/v1/overrides/set", &body));
    wait_for("the shim to see it", || (limit_at(&mut api) == (1_000, true)).then_some(()));
    let before = calls(&mut shims);
    for _ in 0..DECISIONS {
        assert_eq!(limit_at(&mut api), (1_000, true));
    }
    let after = calls(&mut shims);
    let more: Vec<(&str, u64)> = after
        .iter()
        .map(|(name, count)| (name.as_str(), count - before.get(name).copied().unwrap_or(0)))
        .filter(|(_, count)| *count >= DECISIONS)
        .collect();
    // The script, and the commands inside it.
    let each = |name| (name, DECISIONS);
    assert_eq!(more, [each("evalsha"), each("get"), each("set"), each("time")]);
}

#[test]
fn a_block_expires() {
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        let mut api = shims.api(0);
        let one = || vec![request([charge(counter("a", "b"), sliding(1_000_000, MINUTE_MS))])];
        let now_ms = api.decide(one()).now_ms;
        let until_ms = TimeMs::clamped(now_ms + 2_000);
        let body =
            json!({ "counter": counter("a", "b"), "override": { "blocked_until_ms": until_ms } });
        assert!(change(&shims.shims[0], "/v1/overrides/set", &body));
        wait_for("the block to apply or to have expired", || {
            let reply = api.decide(one());
            let decision = &reply.decisions[0];
            assert!(decision.admitted || reply.now_ms + decision.retry_after_ms == until_ms.get());
            (!decision.admitted || reply.now_ms >= until_ms.get()).then_some(())
        });
        let reply = wait_for("the block to end", || {
            Some(api.decide(one())).filter(|reply| reply.decisions[0].admitted)
        });
        assert!(reply.now_ms >= until_ms.get());
        let listed = admin(&shims.shims[0]).get("/v1/overrides", Some(TOKEN)).json();
        assert_eq!(listed, json!({ "overrides": [] }));
        let past = json!({ "counter": counter("a", "b"), "override": { "blocked_until_ms": 1 } });
        let refused = admin(&shims.shims[0]).post("/v1/overrides/set", &past, Some(TOKEN));
        assert_eq!(refused.status, 400, "{}", refused.as_text());
    }
}

#[test]
fn a_cost_above_an_overridden_limit_fails_only_that_request() {
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        let mut api = shims.api(0);
        let body = json!({ "counter": counter("a", "b"), "override": { "limit": 2 } });
        assert!(change(&shims.shims[0], "/v1/overrides/set", &body));
        wait_for("the override to apply", || (limit_at(&mut api).0 == 2).then_some(()));
        let mut costly = charge(counter("a", "b"), sliding(10, MINUTE_MS));
        costly.cost = limits::wire::Cost::clamped(3);
        let reply = api.decide(vec![
            request([costly]),
            request([charge(counter("c", "d"), sliding(10, MINUTE_MS))]),
        ]);
        let error = reply.decisions[0].error;
        assert_eq!(error, Some(limits::wire::DecisionError::CostExceedsLimit));
        assert!(reply.decisions[1].admitted);
    }
}

#[test]
fn a_cost_above_its_own_limit_fails_only_that_request_unless_an_override_allows_it() {
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        let mut api = shims.api(0);
        let mut costly = charge(counter("a", "b"), sliding(10, MINUTE_MS));
        costly.cost = limits::wire::Cost::clamped(11);
        let other = || request([charge(counter("c", "d"), sliding(10, MINUTE_MS))]);
        let reply = api.decide(vec![other(), request([costly.clone()]), other()]);
        let admitted: Vec<_> = reply.decisions.iter().map(|decision| decision.admitted).collect();
        assert_eq!(admitted, [true, false, true]);
        let error = reply.decisions[1].error;
        assert_eq!(error, Some(limits::wire::DecisionError::CostExceedsLimit));
        let body = json!({ "counter": counter("a", "b"), "override": { "limit": 20 } });
        assert!(change(&shims.shims[0], "/v1/overrides/set", &body));
        wait_for("the override to apply", || {
            Some(api.decide_one(request([costly.clone()]))).filter(|decision| decision.admitted)
        });
    }
}

#[test]
fn an_override_covers_the_counters_of_the_bucket_s_tiers() {
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        let mut api = shims.api(0);
        let own = counter("a", "b");
        let tier = limits::counter::CounterName::try_from(format!("{own}~day.UTC")).unwrap();
        let decide = |api: &mut Api| {
            let decision = api.decide_one(request([charge(tier.clone(), sliding(10, MINUTE_MS))]));
            decision.charges[0].limit
        };
        assert_eq!(decide(&mut api), 10);
        let body = json!({ "counter": own, "override": { "limit": 20 } });
        assert!(change(&shims.shims[0], "/v1/overrides/set", &body));
        wait_for("the override to apply", || (decide(&mut api) == 20).then_some(()));
        let shown = json!({ "counter": tier, "quota": sliding(10, MINUTE_MS) });
        let shown = admin(&shims.shims[0]).post("/v1/counters/show", &shown, Some(TOKEN)).json();
        assert_eq!(shown["override"], json!({ "limit": 20 }));
    }
}

#[test]
fn operators_see_the_tier_of_a_request_and_reset_all_tiers() {
    let policy = tempfile::NamedTempFile::new().unwrap();
    let text = r#"
version: 1
salt: a-salt
keys: { user: { jwt_claim: sub, otherwise: client }, client: { client_ip: {} } }
buckets:
  api:
    key: user
    limit: { from: { header: x-limit }, max: 50, otherwise: 5 }
    window: 1m
    tiers:
      by: { jwt_claim: tier }
      values:
        pro: { rate: 1, every: 1h, burst: 20 }
        own: { limit: unlimited, per: day }
        banned: { limit: 0, window: 1m }
rules: [{ charge: [api] }]
"#;
    std::fs::write(policy.path(), text).unwrap();
    let file = policy.path().to_str().unwrap();
    let shims = Shims::start(Store::Redis, 1);
    let shim = &shims.shims[0];
    let run = |words: &str, more: &[&str]| {
        let words: Vec<_> = words.split(' ').collect();
        let target = ["--policy", file, "--bucket", "api", "--key", "user=42"];
        run_ok(shim, &[&words[..], &target, more].concat())
    };
    let show = |more: &[&str]| {
        let text = run("counters show", more);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().skip(1).map(words).collect::<Vec<_>>().join("; ")
    };
    let pro = ["--claim", "tier=pro"];
    let shown = show(&[]);
    assert!(shown.starts_with("limit 5; because the request has no claim tier; "), "{shown}");
    assert!(show(&["--header", "x-limit=99"]).starts_with("limit 50; "));
    assert!(show(&pro).starts_with("limit 20; because claim tier is \"pro\"; remaining 20"));
    let own = show(&["--claim", "tier=own"]);
    assert!(own.starts_with("limit unlimited; "), "{own}");
    let banned = show(&["--claim", "tier=banned"]);
    assert_eq!(banned, "limit 0: refuses every request; because claim tier is \"banned\"");
    assert_eq!(run("counters reset", &[]), "api for user=42: nothing was counted\n");
    // The counter of the tier is charged, and the bucket's reset includes it.
    let text = run("counters show", &pro);
    let name = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
    let tier = limits::counter::CounterName::try_from(name.to_owned()).unwrap();
    assert!(shims.api(0).decide_one(request([charge(tier, tokens(1, 3_600_000, 20))])).admitted);
    assert!(show(&pro).contains("remaining 19"));
    run("overrides set", &["--limit", "7"]);
    wait_for("the override to apply", || show(&pro).starts_with("limit 7; ").then_some(()));
    assert_eq!(run("counters reset", &[]), "api for user=42: reset\n");
    assert!(show(&pro).contains("remaining 7"));
}

#[test]
fn the_admin_api_requires_the_token() {
    let shims = Shims::start(Store::Memory, 1);
    let client = admin(&shims.shims[0]);
    let body = json!({ "counter": counter("a", "b"), "override": "unlimited" });
    for token in [
        None,
        Some(""),
        Some("wrong"),
        Some("a-token-for-tests-onlY"),
        Some("a-token-for-tests-only2"),
    ] {
        for reply in [
            client.post("/v1/overrides/set", &body, token),
            client.get("/v1/overrides", token),
            client.get("/nowhere", token),
        ] {
            assert_eq!(reply.status, 401, "{token:?}: {}", reply.as_text());
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
    let listed = client.get("/v1/overrides", Some(TOKEN)).json();
    assert_eq!(listed, json!({ "overrides": [] }));
    assert_eq!(client.get("/nowhere", Some(TOKEN)).status, 404);
    // The public port does not serve the admin API.
    let public = Client::of(shims.shims[0].addr());
    assert_eq!(public.get("/v1/overrides", Some(TOKEN)).status, 404);
    let log = std::fs::read_to_string(shims.shims[0].log()).expect("a log");
    assert!(!log.contains(TOKEN));
}

#[test]
fn operators_name_keys_in_plain_text() {
    let policy: limits::policy::Policy =
        limits::policy::Policy::from_value(tests::gateway::shipped_policy()).expect("a policy");
    let identity = limits::key::of_text(&policy, "user", "42").expect("a key");
    let name = limits::counter::CounterName::new(&identity, "ai").expect("a bucket");
    for store in Store::ALL {
        let shims = Shims::start(store, 1);
        let (shim, mut api) = (&shims.shims[0], shims.api(0));
        let one = || request([charge(name.clone(), sliding(10, MINUTE_MS))]);
        api.decide(vec![one(), one(), one()]);
        let key = ["--bucket", "ai", "--key", "user=42"];
        let with = |command: &[&'static str], more: &[&'static str]| [command, &key, more].concat();
        let lines = run_ok(shim, &with(&["counters", "show"], &[]));
        let lines: Vec<_> = lines.lines().take(4).collect();
        assert_eq!(lines[0], format!("ai for user=42  ({name})"));
        assert_eq!(lines[1..], ["  limit      10", "  remaining  7", "  next       admitted"]);

        let set = run_ok(shim, &with(&["overrides", "set"], &["--limit", "3"]));
        assert_eq!(set, "ai for user=42: limit 3\n");
        wait_for("the override to apply", || {
            let lines = run_ok(shim, &with(&["counters", "show"], &[]));
            lines.contains("  override   limit 3\n").then_some(())
        });
        assert!(!api.decide_one(one()).admitted);
        let listed = run_ok(shim, &["overrides", "list"]);
        assert_eq!(listed, format!("{name}  limit 3\n"));
        let removed = run_ok(shim, &with(&["overrides", "remove"], &[]));
        assert_eq!(removed, "ai for user=42: override removed\n");
        assert_eq!(
            run_ok(shim, &with(&["overrides", "remove"], &[])),
            "ai for user=42: there was no override\n"
        );

        assert_eq!(run_ok(shim, &with(&["counters", "reset"], &[])), "ai for user=42: reset\n");
        assert_eq!(
            run_ok(shim, &with(&["counters", "reset"], &[])),
            "ai for user=42: nothing was counted\n"
        );
        wait_for("the override to be removed", || {
            (only_charge(&api.decide_one(one())).limit == 10).then_some(())
        });
    }
}

/// A limit that is selected by any part of a request is shown for that request.
#[test]
fn a_counter_is_shown_with_the_limit_of_the_request() {
    let shims = Shims::start(Store::Memory, 1);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let check = |by: Value, flags: &[&'static str]| {
        let limit = json!({ "by": by, "values": { "gold": 99 }, "otherwise": 10 });
        let policy = json!({
            "version": 1,
            "keys": { "client": { "client_ip": {} } },
            "buckets": { "b": { "key": "client", "limit": limit, "window": "1m" } },
            "rules": [{ "charge": ["b"] }],
        });
        std::fs::write(file.path(), policy.to_string()).expect("a policy");
        let path = file.path().to_str().expect("UTF-8").to_owned();
        let shown = |flags: &[&'static str]| {
            let show = ["counters", "show", "--bucket", "b", "--key", "client=10.0.0.1"];
            let args = [&show[..], &["--policy", &path], flags].concat();
            let text = run_ok(&shims.shims[0], &args);
            text.lines().nth(1).expect("a limit").trim_start_matches("  limit").trim().to_owned()
        };
        assert_eq!(shown(flags), "99", "{flags:?}");
        assert_eq!(shown(&[]), "10", "{flags:?}");
    };

    check(json!({ "jwt_claim": "tier" }), &["--claim", "tier=gold"]);
    check(json!({ "header": "x-plan" }), &["--header", "X-Plan=gold"]);
    check(json!({ "host": {} }), &["--host", "GOLD:443"]);
    check(json!({ "route_name": {} }), &["--route", "gold"]);
    check(json!({ "route_metadata": ["tollgate", "plan"] }), &["--metadata", "tollgate.plan=gold"]);
}

#[test]
fn an_operator_error_prints_one_line() {
    let shims = Shims::start(Store::Memory, 1);
    let shim = &shims.shims[0];
    for (args, code, expected) in [
        (
            &["counters", "show", "--bucket", "ia", "--key", "user=42"][..],
            1,
            "the policy has no bucket \"ia\"",
        ),
        (&["counters", "show", "--bucket", "ai", "--key", "42"], 2, "--key: expected NAME=VALUE"),
        (&["overrides", "set", "--bucket", "ai", "--key", "user=42"], 2, "--limit"),
        (
            &[
                "overrides",
                "set",
                "--bucket",
                "ai",
                "--key",
                "user=42",
                "--blocked-until",
                "2001-01-01T00:00:00Z",
            ],
            1,
            "expected a time in the future",
        ),
        (&["overrides", "list", "--admin-token", "a-wrong-token-of-length"], 1, "401 Unauthorized"),
        (
            &["overrides", "list", "--admin-url", "http://127.0.0.1:1"],
            1,
            "cannot reach http://127.0.0.1:1",
        ),
        (
            &["counters", "reset", "--bucket", "ai", "--key", "user=42", "--policy", "README.txt"],
            1,
            "cannot read README.txt",
        ),
    ] {
        let output = tollgate(shim, args);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
        assert!(message.contains(expected), "{args:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{args:?}: {message}");
    }
}

#[test]
fn redis_holds_ten_thousand_overrides_not_counting_expired_blocks() {
    let shims = Shims::start(Store::Redis, 1);
    let url = harness::stack::redis::url(shims.redis.as_ref().expect("a Redis"));
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("Redis answers");
    let names = (0..10_000).map(|at| counter(&at.to_string(), "b").to_string());
    let fields: Vec<_> = names.map(|name| (name, r#""unlimited""#)).collect();
    let mut set = redis::cmd("HSET");
    set.arg("tg:overrides").arg("version").arg("by hand").arg(&fields);
    set.exec(&mut connection).expect("overrides");
    let client = admin(&shims.shims[0]);
    let listed = || client.get("/v1/overrides", Some(TOKEN));
    let count = || listed().json()["overrides"].as_array().map(Vec::len);
    wait_for("all to be loaded", || (count() == Some(10_000)).then_some(()));
    let one_more = json!({ "counter": counter("one more", "b"), "override": { "limit": 5 } });
    let refused = client.post("/v1/overrides/set", &one_more, Some(TOKEN));
    assert_eq!(refused.status, 409, "{}", refused.as_text());
    assert!(refused.as_text().contains("at most 10000 overrides"), "{}", refused.as_text());
    // Existing overrides can be changed, and an expired block frees its place.
    let first = json!({ "counter": counter("0", "b"), "override": { "limit": 5 } });
    assert!(change(&shims.shims[0], "/v1/overrides/set", &first));
    let mut end = redis::cmd("HSET");
    end.arg("tg:overrides").arg(counter("1", "b").as_str()).arg(r#"{"blocked_until_ms":1}"#);
    end.exec(&mut connection).expect("an expired block");
    assert!(change(&shims.shims[0], "/v1/overrides/set", &one_more));
    let mut length = redis::cmd("HLEN");
    let length: usize = length.arg("tg:overrides").query(&mut connection).expect("a number");
    assert_eq!(length, 10_001);
}
