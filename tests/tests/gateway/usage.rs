//! The quota that the backend reports to a user matches the gateway's counters.

use harness::stack::server::READY_LIMIT;
use serde_json::{Value, json};
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options, PAYMENT_TOKEN};

/// Requests the usage directly from the backend, so the request costs nothing.
fn usage(gateway: &Gateway, token: &str) -> Value {
    let reply = Client::of(gateway.backend.addr()).get("/api/usage", Some(token));
    assert_eq!(reply.status, 200, "{}", reply.as_text());
    reply.json()
}

/// Sends a request that is charged like any AI request, although the route does not exist.
fn ask_ai(gateway: &Gateway, token: &str) -> Reply {
    gateway.client().post("/api/ai/nothing", &json!({}), Some(token))
}

fn counts(usage: &Value) -> [&Value; 4] {
    let daily = &usage["ai_daily"];
    [&usage["status"], &daily["limit"], &daily["used"], &daily["left"]]
}

#[test]
fn usage_matches_the_gateways_counters() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let (ada, bob) = (gateway.token_of("ada@example.com"), gateway.token_of("bob@example.com"));
    let before = usage(&gateway, &ada);
    assert_eq!(counts(&before), [&json!("ok"), &json!(10), &json!(0), &json!(10)]);
    let resets_at = before["ai_daily"]["resets_at"].as_str().unwrap();
    assert!(resets_at.ends_with("T00:00:00Z"), "{resets_at}");
    for _ in 0..3 {
        assert_eq!(ask_ai(&gateway, &ada).status, 404);
    }
    assert_eq!(counts(&usage(&gateway, &ada)), [&json!("ok"), &json!(10), &json!(3), &json!(7)]);
    assert_eq!(counts(&usage(&gateway, &ada))[2], 3, "reading the usage costs nothing");
    assert_eq!(counts(&usage(&gateway, &bob))[2], 0);

    // Beyond the quota, denied requests are not counted.
    let statuses: Vec<_> = (0..9).map(|_| ask_ai(&gateway, &ada).status).collect();
    assert_eq!(statuses, [404, 404, 404, 404, 404, 404, 404, 429, 429]);
    assert_eq!(counts(&usage(&gateway, &ada)), [&json!("ok"), &json!(10), &json!(10), &json!(0)]);
}

/// Counter names contain a salted hash, so another salt leads to other counters.
#[test]
fn usage_needs_the_gateways_salt() {
    for (salt, used) in [("our-own", 1), ("another", 0)] {
        let mut options = Options::default();
        options.policy["salt"] = json!("our-own");
        options.backend_env.push(("TOLLGATE_SALT".to_owned(), salt.into()));
        let gateway = Gateway::start(&options).unwrap();
        let ada = gateway.token_of("ada@example.com");
        ask_ai(&gateway, &ada);
        assert_eq!(counts(&usage(&gateway, &ada))[2], used, "{salt}");
    }
}

#[test]
fn a_refreshed_token_has_the_new_plans_quota() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let direct = Client::of(gateway.backend.addr());
    let account = json!({"email": "ada@example.com", "password": "correct horse battery"});
    assert_eq!(direct.post("/api/auth/signup", &account, None).status, 201);
    let tokens = direct.post("/api/auth/login", &account, None).json();
    let text = |tokens: &Value, name: &str| tokens[name].as_str().unwrap().to_owned();
    let free = text(&tokens, "access_token");
    ask_ai(&gateway, &free);

    let change = hyper::Request::put("/api/subscription")
        .header("authorization", format!("Bearer {free}"))
        .header("payment-token", PAYMENT_TOKEN)
        .header("content-type", "application/json");
    let changed = direct.send(change.body(json!({"tier": "starter"}).to_string().into()).unwrap());
    assert_eq!(changed.status, 200, "{}", changed.as_text());
    assert_eq!(counts(&usage(&gateway, &free))[1], 10, "the old token keeps the old plan");

    let refresh = json!({"refresh_token": text(&tokens, "refresh_token")});
    let refreshed = direct.post("/api/auth/refresh", &refresh, None).json();
    let starter = text(&refreshed, "access_token");
    assert_eq!(
        counts(&usage(&gateway, &starter)),
        [&json!("ok"), &json!(50), &json!(1), &json!(49)]
    );
    assert_eq!(
        ask_ai(&gateway, &starter).header("x-ratelimit-limit"),
        "10",
        "the limit per minute"
    );
    assert_eq!(counts(&usage(&gateway, &starter))[2], 2, "both plans share one counter");
}

/// The gateway verifies tokens itself, so it cannot know that a session has ended.
#[test]
fn a_logged_out_token_spends_no_daily_quota() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let direct = Client::of(gateway.backend.addr());
    let account = json!({"email": "ada@example.com", "password": "correct horse battery"});
    let old = gateway.token_of("ada@example.com");
    assert_eq!(direct.post("/api/auth/logout", &json!({}), Some(&old)).status, 204);
    let new = direct.post("/api/auth/login", &account, None).json();
    let new = new["access_token"].as_str().unwrap();
    let ask = || gateway.client().post("/api/ai/extract-keywords", &json!({}), Some(&old));
    let first = ask();
    assert_eq!(first.status, 401, "{}", first.as_text());
    let statuses: Vec<_> = (0..10).map(|_| ask().status).collect();
    assert_eq!(statuses[..9], [401; 9]);
    assert_eq!(statuses[9], 429, "the limit per minute counts attempts");
    let deadline = harness::clock::Deadline::after(READY_LIMIT);
    while counts(&usage(&gateway, new))[2] != 0 {
        assert!(!deadline.has_passed(), "{}", usage(&gateway, new));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Accounts are free, so usage is also limited by address.
#[test]
fn accounts_at_one_address_share_a_quota() {
    let mut options = Options::default();
    options.policy["buckets"]["ai_client"]["limit"] = json!(12);
    let gateway = Gateway::start(&options).unwrap();
    let (ada, bob) = (gateway.token_of("ada@example.com"), gateway.token_of("bob@example.com"));
    assert_eq!((0..10).map(|_| ask_ai(&gateway, &ada).status).collect::<Vec<_>>(), [404; 10]);
    assert_eq!([ask_ai(&gateway, &bob).status, ask_ai(&gateway, &bob).status], [404; 2]);
    let refused = ask_ai(&gateway, &bob);
    assert_eq!(refused.status, 429, "{}", refused.as_text());
    assert_eq!(refused.json()["violated-policies"], json!(["ai_client"]));
    let elsewhere = gateway.client().at(2).post("/api/ai/nothing", &json!({}), Some(&bob));
    assert_eq!(elsewhere.status, 404, "{}", elsewhere.as_text());
}

#[test]
fn usage_is_degraded_while_the_shim_is_unavailable() {
    let mut gateway = Gateway::start(&Options::default()).unwrap();
    let token = gateway.token_of("ada@example.com");
    ask_ai(&gateway, &token);
    gateway.shim.kill();
    let away = usage(&gateway, &token);
    assert_eq!(counts(&away), [&json!("degraded"), &json!(10), &Value::Null, &Value::Null]);
    gateway.shim.restart().unwrap();
    let deadline = harness::clock::Deadline::after(READY_LIMIT);
    while usage(&gateway, &token)["status"] != "ok" {
        assert!(!deadline.has_passed(), "usage stays degraded");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(counts(&usage(&gateway, &token))[2], 1);
}
