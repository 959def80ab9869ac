//! Values in Redis: shared by all processes, kept for their TTL, and readable with their owner's
//! key only.

use super::fixture::{Outcome, Redis, TIMEOUT, ai_entry, ask, cache_at, key, shown, text, version};
use backend::cache::{Entry, Use};
use backend::redis_probe;
use std::time::Duration;

#[tokio::test]
async fn one_process_hits_what_another_loaded() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    assert_eq!(ask(&a, &ai_entry(), "first").await, ("first".into(), "MISS"));
    assert_eq!(ask(&b, &ai_entry(), "never").await, ("first".into(), "HIT"));
    let left_ms: i64 = redis.ask(&["PTTL", "cache:ai:0123"]);
    assert!((590_000..=600_000).contains(&left_ms), "{left_ms}");
    b.invalidate(&ai_entry()).await;
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
}

#[tokio::test]
async fn redis_keeps_a_value_for_its_ttl() {
    let redis = Redis::start();
    let short = Entry { ttl: Duration::from_secs(3), ..ai_entry() };
    ask(&redis.cache().await, &short, "first").await;
    assert!((1..=3_000).contains(&redis.ask::<i64>(&["PTTL", "cache:ai:0123"])));
    // A TTL that was shortened since.
    let over = Entry { ttl: Duration::from_millis(1), ..ai_entry() };
    assert_eq!(ask(&redis.cache().await, &over, "second").await, ("second".into(), "MISS"));
}

#[tokio::test]
async fn redis_sees_neither_values_nor_their_lengths() {
    let redis = Redis::start();
    let value = "Ada Lovelace, ada@example.org. ".repeat(200);
    ask(&redis.cache().await, &ai_entry(), &value).await;
    let keys: Vec<String> = redis.ask(&["KEYS", "*"]);
    assert_eq!(keys, ["cache:ai:0123"], "the lock is released");
    let stored: Vec<u8> = redis.ask(&["GET", "cache:ai:0123"]);
    assert!(stored.len() < value.len() / 10, "{} bytes", stored.len());
    for part in ["Ada", "example"] {
        assert!(!stored.windows(part.len()).any(|bytes| bytes == part.as_bytes()), "{part}");
    }
}

#[tokio::test]
async fn another_key_cannot_read_a_value() {
    let redis = Redis::start();
    ask(&redis.cache().await, &ai_entry(), "mine").await;
    for _process in 0..2 {
        let cache = redis.cache().await;
        let theirs: Outcome =
            cache.get_or_load(&ai_entry(), &key(2), Use::EVERYTHING, || async { text("x") }).await;
        assert_eq!(theirs.as_ref().unwrap().value, "x");
    }
}

/// A user with exactly the rights that docs/demo/companion-api.md lists.
#[tokio::test]
async fn the_documented_permissions_suffice() {
    let redis = Redis::start();
    let permissions = "+ping +info +get +set +unlink +eval +del +pexpire";
    let set_user = ["ACL", "SETUSER", "backend", "reset", "on", ">p@ss", "~cache:*"];
    let command: Vec<&str> = set_user.into_iter().chain(permissions.split(' ')).collect();
    let _set: String = redis.ask(&command);
    let url = format!("redis://backend:p%40ss@{}", redis.server.addr());
    let cache = || async {
        let (cache, link) = cache_at(&url, TIMEOUT);
        redis_probe::start(link, TIMEOUT).await;
        cache
    };
    let first = cache().await;
    assert_eq!(ask(&first, &ai_entry(), "first").await, ("first".into(), "MISS"));
    assert_eq!(ask(&cache().await, &ai_entry(), "never").await, ("first".into(), "HIT"));
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), ["cache:ai:0123"], "the lock is released");
    first.invalidate(&ai_entry()).await;
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
    let denied: Vec<redis::Value> = redis.ask(&["ACL", "LOG"]);
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test]
async fn a_value_under_another_name_is_a_miss() {
    let redis = Redis::start();
    ask(&redis.cache().await, &ai_entry(), "first").await;
    let _copied: i64 = redis.ask(&["COPY", "cache:ai:0123", "cache:ai:4567"]);
    let other = Entry { name: "cache:ai:4567".to_owned(), ..ai_entry() };
    assert_eq!(ask(&redis.cache().await, &other, "other").await, ("other".into(), "MISS"));
}

#[tokio::test]
async fn damaged_values_are_misses_and_get_replaced() {
    let redis = Redis::start();
    ask(&redis.cache().await, &ai_entry(), "first").await;
    let damages: [&[&str]; 5] = [
        &["SET", "cache:ai:0123", ""],
        &["SET", "cache:ai:0123", "garbage"],
        // Sixteen bytes, since a single one could match by chance.
        &["SETRANGE", "cache:ai:0123", "60", "xxxxxxxxxxxxxxxx"],
        &["APPEND", "cache:ai:0123", "x"],
        &["SETRANGE", "cache:ai:0123", "0", "\u{7f}"],
    ];
    for damage in damages {
        let _done: redis::Value = redis.ask(damage);
        let reloaded = ask(&redis.cache().await, &ai_entry(), "again").await;
        assert_eq!(reloaded, ("again".into(), "MISS"), "{damage:?}");
        let hit = ask(&redis.cache().await, &ai_entry(), "never").await;
        assert_eq!(hit, ("again".into(), "HIT"), "{damage:?}");
    }
    // With another type, Redis refuses to read it but stays up.
    let _dropped: i64 = redis.ask(&["DEL", "cache:ai:0123"]);
    let _pushed: i64 = redis.ask(&["LPUSH", "cache:ai:0123", "x"]);
    assert_eq!(ask(&redis.cache().await, &ai_entry(), "again").await, ("again".into(), "MISS"));
    assert_eq!(ask(&redis.cache().await, &ai_entry(), "never").await, ("again".into(), "HIT"));
}

/// A request for the new version never gets the old one, in any order of events.
#[tokio::test]
async fn a_value_of_another_version_is_a_miss_in_redis_and_memory() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    ask(&a, &version(1), "old").await;
    ask(&b, &version(1), "never").await;
    // Changed without any invalidation.
    assert_eq!(ask(&a, &version(2), "new").await, ("new".into(), "MISS"));
    assert_eq!(ask(&b, &version(2), "never").await, ("new".into(), "HIT"));
    // A slow reader stores the old version again.
    ask(&redis.cache().await, &version(1), "old").await;
    assert_eq!(ask(&redis.cache().await, &version(2), "new").await, ("new".into(), "MISS"));
}

#[tokio::test]
async fn an_overlong_value_is_returned_but_not_stored() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    // The limit includes the two quotes of the JSON string.
    let [long, fits] = [(2 << 20) - 1, (2 << 20) - 2].map(|length| "x".repeat(length));
    assert_eq!(ask(&cache, &ai_entry(), &long).await.1, "MISS");
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
    assert_eq!(ask(&cache, &ai_entry(), &fits).await.1, "MISS");
    assert_eq!(ask(&cache, &ai_entry(), "never").await.1, "HIT", "redis has it, memory does not");
}

#[tokio::test]
async fn reading_and_storing_can_be_disabled() {
    let redis = Redis::start();
    let ask_with = async |use_, answer| -> (String, &'static str) {
        let cache = redis.cache().await;
        let outcome: Outcome =
            cache.get_or_load(&ai_entry(), &key(1), use_, || async { answer }).await;
        shown(outcome)
    };
    assert_eq!(ask_with(Use::NOTHING, text("a")).await, ("a".into(), "BYPASS"));
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
    let no_cache = Use { read: false, store: true };
    assert_eq!(ask_with(no_cache, text("b")).await, ("b".into(), "BYPASS"));
    assert_eq!(ask_with(no_cache, text("c")).await, ("c".into(), "BYPASS"));
    assert_eq!(ask_with(Use::EVERYTHING, text("d")).await, ("c".into(), "HIT"));
}
