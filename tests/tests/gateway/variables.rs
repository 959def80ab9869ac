//! The gateway enforces limits set by environment variables, which `tollgate policy render` writes
//! into the policy.

use super::login::{statuses, wrong_login};
use super::metrics::wait_for;
use harness::paths;
use harness::stack::envoy;
use serde_json::{Value, json};
use std::process::Command;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, PAYMENT_TOKEN, binaries};

const PASSWORD: &str = "correct horse battery";

/// Runs `tollgate policy` with `words` in the repository's root. Returns its output.
fn tollgate(words: &[&str], vars: &[(&str, &str)]) -> String {
    let mut command = Command::new(&binaries().shim);
    let (chore, words) = words.split_first().unwrap();
    // Only `vars` are set, whatever the tests' own environment.
    command
        .env_clear()
        .args(["policy", chore, "--set-env", "@envoy/policy.variables"])
        .args(words)
        .envs(vars.iter().copied())
        .current_dir(paths::root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Starts the whole stack with the shipped policy rendered from `vars`.
fn start_with(vars: &[(&str, &str)]) -> Gateway {
    let rendered = tollgate(&["render", "--json", "envoy/policy.yaml"], vars);
    let mut options = Options::default();
    let timeout = options.policy["shim"]["timeout"].clone();
    options.policy = serde_json::from_str(&rendered).unwrap();
    options.policy["shim"]["timeout"] = timeout;
    Gateway::start(&options).unwrap()
}

/// Signs up a user on the plan `tier` directly at the backend, so nothing is charged. Returns the
/// token.
fn token_for_plan(gateway: &Gateway, tier: &str) -> String {
    let direct = Client::of(gateway.backend.addr());
    let email = format!("{tier}@example.com");
    let token = gateway.token_of(&email);
    let change = hyper::Request::put("/api/subscription")
        .header("authorization", format!("Bearer {token}"))
        .header("payment-token", PAYMENT_TOKEN)
        .header("content-type", "application/json");
    let changed = direct.send(change.body(json!({ "tier": tier }).to_string().into()).unwrap());
    assert_eq!(changed.status, 200, "{}", changed.as_text());
    let account = json!({ "email": email, "password": PASSWORD });
    let tokens = direct.post("/api/auth/login", &account, None).json();
    tokens["access_token"].as_str().unwrap().to_owned()
}

/// Sends a request that is charged like any AI request, although the route does not exist.
fn ask_ai(gateway: &Gateway, token: &str) -> Reply {
    gateway.client().post("/api/ai/nothing", &json!({}), Some(token))
}

fn limit_of(reply: &Reply) -> &str {
    reply.header("x-ratelimit-limit")
}

/// Returns the buckets that a refusal names.
fn refused_by(reply: &Reply) -> Value {
    assert_eq!(reply.status, 429, "{}", reply.as_text());
    reply.json()["violated-policies"].clone()
}

#[test]
fn variables_set_each_limit_per_minute() {
    let gateway = start_with(&[
        ("AUTH_RATE_LIMIT_PER_MINUTE", "2"),
        ("PUBLIC_RATE_LIMIT_PER_MINUTE", "3"),
        ("RATE_LIMIT_PER_MINUTE", "4"),
        ("AI_RATE_LIMIT_PER_MINUTE", "5"),
    ]);
    let (client, token) = (gateway.client(), gateway.token_of("ada@example.com"));
    assert_eq!(statuses(&client, 2), [401; 2]);
    let third = wrong_login(&client);
    assert_eq!((refused_by(&third), limit_of(&third)), (json!(["auth"]), "2"));
    let public = |client: &Client| client.get("/", None);
    let logged_in = |client: &Client| client.get("/api/me", Some(&token));
    let ai = |_: &Client| ask_ai(&gateway, &token);
    let check = |ask: &dyn Fn(&Client) -> Reply, bucket: &str, limit: usize| {
        for count in 0..limit {
            let reply = ask(&client);
            assert_ne!(reply.status, 429, "{bucket}: {count}");
            assert_eq!(limit_of(&reply), limit.to_string(), "{bucket}: {}", reply.as_text());
        }
        assert_eq!(refused_by(&ask(&client)), json!([bucket]));
    };
    check(&public, "public", 3);
    check(&logged_in, "authenticated", 4);
    check(&ai, "ai", 5);
}

#[test]
fn variables_set_each_plans_daily_limit() {
    let gateway = start_with(&[
        ("FREE_AI_ASSIST_LIMIT", "2"),
        ("STARTER_AI_ASSIST_LIMIT", "3"),
        ("PRO_AI_ASSIST_LIMIT", "4"),
    ]);
    for (tier, limit) in [("free", 2), ("starter", 3), ("pro", 4)] {
        let token = token_for_plan(&gateway, tier);
        for count in 0..limit {
            let reply = ask_ai(&gateway, &token);
            assert_eq!(reply.status, 404, "{tier}: {count}: {}", reply.as_text());
            assert_eq!(limit_of(&reply), limit.to_string(), "{tier}: {}", reply.as_text());
        }
        assert_eq!(refused_by(&ask_ai(&gateway, &token)), json!(["ai_daily"]), "{tier}");
    }
    // Without a token, the free plan's limit applies.
    let nobody = gateway.client().at(9);
    let ask = || nobody.post("/api/ai/nothing", &json!({}), None);
    assert_eq!(limit_of(&ask()), "2");
    ask();
    assert_eq!(refused_by(&ask()), json!(["ai_daily"]));
}

#[test]
fn disabled_limits_count_but_never_deny() {
    let gateway = start_with(&[
        ("RATE_LIMIT_ENABLED", "false"),
        ("AUTH_RATE_LIMIT_PER_MINUTE", "1"),
        ("PUBLIC_RATE_LIMIT_PER_MINUTE", "2"),
        ("FREE_AI_ASSIST_LIMIT", "1"),
    ]);
    let (client, token) = (gateway.client(), gateway.token_of("ada@example.com"));
    assert_eq!(statuses(&client, 4), [401; 4]);
    let public: Vec<_> = (0..4).map(|_| client.get("/", None).status).collect();
    assert_eq!(public, [200; 4]);
    let ai: Vec<_> = (0..3).map(|_| ask_ai(&gateway, &token).status).collect();
    assert_eq!(ai, [404; 3]);
    for (bucket, admitted, would_deny) in [("auth", 1, 3), ("public", 2, 2), ("ai_daily", 1, 2)] {
        for (verdict, count) in [("admitted", admitted), ("would_deny", would_deny)] {
            let labels = [("bucket", bucket), ("by", "ledger"), ("verdict", verdict)];
            wait_for(&gateway, "tollgate_decisions", &labels, count);
        }
    }
}

/// The compose file applies limits this way, and so may an operator while Envoy runs.
#[test]
fn a_limit_applied_while_envoy_runs_takes_effect() {
    let gateway = start_with(&[]);
    assert_eq!(limit_of(&gateway.client().get("/", None)), "30");
    let filter = envoy::filter_file(gateway.dir.path(), gateway.envoys[0].addr().port());
    let words = ["apply", "envoy/policy.yaml", filter.to_str().unwrap()];
    tollgate(&words, &[("PUBLIC_RATE_LIMIT_PER_MINUTE", "7")]);
    let deadline = harness::clock::Deadline::after(harness::stack::server::READY_LIMIT);
    let mut client = gateway.client();
    while limit_of(&client.get("/", None)) != "7" {
        assert!(!deadline.has_passed(), "{}", gateway.envoys[0].log_tail().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(50));
        client = gateway.client().at(10);
    }
}
