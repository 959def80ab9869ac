//! Outages of the ledger: each bucket follows its `on_failure`, and no request waits longer than
//! the timeout.

use super::login::wrong_login;
use harness::clock::Deadline;
use std::time::Duration;
use tests::gateway::{Gateway, Options, shipped_policy};

/// Starts a gateway with the shipped policy and its timeout of 50 ms, because these tests often
/// wait for the timeout.
fn start() -> Gateway {
    Gateway::start(&Options { policy: shipped_policy(), ..Options::default() }).unwrap()
}

/// Repeats `look` until it returns true.
fn wait_for(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Deadline::after(Duration::from_secs(30));
    while !look() {
        assert!(!deadline.has_passed(), "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_buckets_follow_on_failure(gateway: &Gateway) {
    let client = gateway.client();
    let open = client.get("/", None);
    assert_eq!(open.status, 200, "public: allow. {}", open.as_text());
    assert_eq!(
        open.header("x-ratelimit-remaining"),
        "",
        "an uncounted request has no rate-limit headers"
    );
    let refused = client.get("/api/ai/x", None);
    assert_eq!(refused.status, 503, "ai_daily: deny. {}", refused.as_text());
    assert_eq!(refused.header("retry-after"), "1");
    let logins: Vec<_> = (0..6).map(|_| wrong_login(&client.at(7)).status).collect();
    assert_eq!(logins, [401, 401, 401, 401, 401, 429], "auth: local, counted by the Envoy itself");
}

#[test]
fn without_redis_each_bucket_follows_its_on_failure() {
    let mut gateway = start();
    let client = gateway.client();
    gateway.redis.as_mut().unwrap().kill();
    assert_buckets_follow_on_failure(&gateway);
    let redis = gateway.redis.as_mut().unwrap();
    redis.restart().unwrap();
    redis.wait_ready().unwrap();
    wait_for("the shim finds Redis again", || {
        !client.at(8).get("/", None).header("x-ratelimit-remaining").is_empty()
    });
}

#[test]
fn without_the_shim_each_bucket_follows_its_on_failure() {
    let mut gateway = start();
    gateway.shim.kill();
    assert_buckets_follow_on_failure(&gateway);
    gateway.shim.restart().unwrap();
    gateway.shim.wait_ready().unwrap();
    wait_for("Envoy finds the shim again", || {
        !gateway.client().get("/", None).header("x-ratelimit-remaining").is_empty()
    });
}

#[test]
fn a_hanging_shim_delays_nobody() {
    let gateway = start();
    gateway.shim.pause();
    assert_buckets_follow_on_failure(&gateway);
    gateway.shim.resume();
    wait_for("the shim answers again", || {
        !gateway.client().at(8).get("/", None).header("x-ratelimit-remaining").is_empty()
    });
}
