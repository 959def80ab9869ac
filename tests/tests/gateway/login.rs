//! Brute-force logins are stopped on either ledger, for as long as Retry-After says.

use super::metrics::wait_for;
use serde_json::json;
use std::time::Duration;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options};

pub(super) fn wrong_login(client: &Client) -> Reply {
    let guess = json!({ "email": "nobody@example.com", "password": "wrong password" });
    client.post("/api/auth/login", &guess, None)
}

pub(super) fn statuses(client: &Client, count: usize) -> Vec<u16> {
    (0..count).map(|_| wrong_login(client).status).collect()
}

fn the_sixth_login_is_denied_until_retry_after(is_redis: bool) {
    let gateway = Gateway::start(&Options { is_redis, ..Options::default() }).unwrap();
    let client = gateway.client();
    assert_eq!(statuses(&client, 5), [401; 5]);
    let refused = wrong_login(&client);
    assert_eq!(refused.status, 429, "{}", refused.as_text());
    let retry_after_s: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&retry_after_s), "{}", refused.as_text());
    // The wait itself is under test.
    std::thread::sleep(Duration::from_secs(retry_after_s));
    assert_eq!(wrong_login(&client).status, 401);
}

#[test]
fn the_sixth_login_is_denied_until_retry_after_with_redis() {
    the_sixth_login_is_denied_until_retry_after(true);
}

#[test]
fn the_sixth_login_is_denied_until_retry_after_with_memory() {
    the_sixth_login_is_denied_until_retry_after(false);
}

#[test]
fn only_failed_logins_count_if_success_is_refunded() {
    let mut options = Options::default();
    options.policy["buckets"]["auth"]["refund"] = json!(["success"]);
    let gateway = Gateway::start(&options).unwrap();
    let _ = gateway.token_of("ann@example.com");
    let client = gateway.client();
    let login = |password: &str| {
        let account = json!({ "email": "ann@example.com", "password": password });
        client.post("/api/auth/login", &account, None).status
    };
    // More than five in a minute, each refunded after its response.
    for settled in 1..=8 {
        assert_eq!(login("correct horse battery"), 200);
        let calls = [("kind", "settle"), ("outcome", "ok")];
        wait_for(&gateway, "tollgate_calls", &calls, settled);
    }
    let wrong: Vec<_> = (0..6).map(|_| login("wrong horse battery")).collect();
    assert_eq!(wrong, [401, 401, 401, 401, 401, 429]);
    assert_eq!(login("correct horse battery"), 429, "even the right password is denied now");
}

#[test]
fn a_refusal_names_the_bucket_and_the_wait() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let client = gateway.client();
    statuses(&client, 5);
    let refused = wrong_login(&client);
    let wait = refused.header("retry-after").to_owned();
    assert_eq!(
        refused.header("x-ratelimit-reset"),
        wait,
        "with one bucket, both headers give the same time"
    );
    let mut text = refused.as_text();
    for prefix in ["retry-after: ", "x-ratelimit-reset: ", ";t=", "Retry in "] {
        text = text.replace(&format!("{prefix}{wait}"), &format!("{prefix}W"));
    }
    insta::assert_snapshot!(text, @r#"
429
retry-after: W
x-ratelimit-limit: 5
x-ratelimit-remaining: 0
x-ratelimit-reset: W
ratelimit-policy: "auth";q=5;w=60
ratelimit: "auth";r=0;t=W
content-type: application/problem+json

{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota exceeded","status":429,"detail":"The limit \"auth\" of 5 in any 60 s is used up. Retry in W s.","instance":"urn:tollgate:counter:ece169e4699361c164827d24d9977929","violated-policies":["auth"]}
"#);
}
