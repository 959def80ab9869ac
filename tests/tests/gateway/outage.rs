//! Outages of the ledger: each bucket follows its `on_failure`, and no request waits longer than
//! the timeout.

use super::login::wrong_login;
use harness::clock::Deadline;
use harness::envoy_config::Front;
use std::time::Duration;
use tests::gateway::{Gateway, Options, front, shipped_policy};

/// Starts a gateway with the shipped policy and its timeout of 50 ms, because these tests often
/// wait for the timeout.
pub(super) fn start(front: Front) -> Gateway {
    Gateway::start(&Options { front, policy: shipped_policy(), ..Options::default() }).unwrap()
}

/// Repeats `look` until it returns true.
pub(super) fn wait_for(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Deadline::after(Duration::from_secs(30));
    while !look() {
        assert!(!deadline.has_passed(), "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn assert_buckets_follow_on_failure(gateway: &Gateway) {
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
    let mut gateway = start(front());
    let client = gateway.client();
    gateway.redis.as_mut().unwrap().kill();
    assert_buckets_follow_on_failure(&gateway);
    let redis = gateway.redis.as_mut().unwrap();
    redis.restart().unwrap();
    redis.wait_ready().unwrap();
    wait_for("Redis is found again", || {
        !client.at(8).get("/", None).header("x-ratelimit-remaining").is_empty()
    });
}

#[test]
fn a_hanging_ledger_delays_nobody() {
    let mut gateway = start(front());
    gateway.ledger_server().pause();
    assert_buckets_follow_on_failure(&gateway);
    gateway.ledger_server().resume();
    wait_for("the ledger answers again", || {
        !gateway.client().at(8).get("/", None).header("x-ratelimit-remaining").is_empty()
    });
}
