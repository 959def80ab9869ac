//! What lies in Redis: for all processes, for its time, for its owner's key alone.

use super::fixture::{Asked, PATIENCE, Redis, ask, cache_at, dear, key, shown, text, version};
use backend::cache::{Entry, Use};
use backend::redis_probe;
use std::time::Duration;

#[tokio::test]
async fn what_one_process_loaded_another_hits() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    assert_eq!(ask(&a, &dear(), "first").await, ("first".into(), "MISS"));
    assert_eq!(ask(&b, &dear(), "never").await, ("first".into(), "HIT"));
    let left_ms: i64 = redis.ask(&["PTTL", "cache:ai:0123"]);
    assert!((590_000..=600_000).contains(&left_ms), "{left_ms}");
    b.invalidate(&dear()).await;
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
}

#[tokio::test]
async fn redis_keeps_a_value_for_its_time_and_no_longer_counts_it_after() {
    let redis = Redis::start();
    let short = Entry { ttl: Duration::from_secs(3), ..dear() };
    ask(&redis.cache().await, &short, "first").await;
    assert!((1..=3_000).contains(&redis.ask::<i64>(&["PTTL", "cache:ai:0123"])));
    // A time to live that was made shorter since.
    let over = Entry { ttl: Duration::from_millis(1), ..dear() };
    assert_eq!(ask(&redis.cache().await, &over, "second").await, ("second".into(), "MISS"));
}

#[tokio::test]
async fn redis_sees_neither_what_is_stored_nor_its_length() {
    let redis = Redis::start();
    let value = "Ada Lovelace, ada@example.org. ".repeat(200);
    ask(&redis.cache().await, &dear(), &value).await;
    let keys: Vec<String> = redis.ask(&["KEYS", "*"]);
    assert_eq!(keys, ["cache:ai:0123"], "the lock is gone, too");
    let stored: Vec<u8> = redis.ask(&["GET", "cache:ai:0123"]);
    assert!(stored.len() < value.len() / 10, "{} bytes", stored.len());
    for part in ["Ada", "example"] {
        assert!(!stored.windows(part.len()).any(|bytes| bytes == part.as_bytes()), "{part}");
    }
}

#[tokio::test]
async fn another_key_opens_nothing() {
    let redis = Redis::start();
    ask(&redis.cache().await, &dear(), "mine").await;
    for _process in 0..2 {
        let cache = redis.cache().await;
        let theirs: Asked =
            cache.get_or_load(&dear(), &key(2), Use::EVERYTHING, || async { text("x") }).await;
        assert_eq!(theirs.as_ref().unwrap().value, "x");
    }
}

/// A user with exactly the rights that docs/demo/companion-api.md lists.
#[tokio::test]
async fn a_user_with_few_rights_is_enough() {
    let redis = Redis::start();
    let rights = "+ping +info +get +set +unlink +eval +del +pexpire";
    let set_user = ["ACL", "SETUSER", "backend", "reset", "on", ">p@ss", "~cache:*"];
    let command: Vec<&str> = set_user.into_iter().chain(rights.split(' ')).collect();
    let _set: String = redis.ask(&command);
    let url = format!("redis://backend:p%40ss@{}", redis.server.addr());
    let cache = || async {
        let (cache, link) = cache_at(&url, PATIENCE);
        redis_probe::start(link, PATIENCE).await;
        cache
    };
    let first = cache().await;
    assert_eq!(ask(&first, &dear(), "first").await, ("first".into(), "MISS"));
    assert_eq!(ask(&cache().await, &dear(), "never").await, ("first".into(), "HIT"));
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), ["cache:ai:0123"], "no lock is left");
    first.invalidate(&dear()).await;
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
    let denied: Vec<redis::Value> = redis.ask(&["ACL", "LOG"]);
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test]
async fn a_value_under_another_name_is_none() {
    let redis = Redis::start();
    ask(&redis.cache().await, &dear(), "first").await;
    let _copied: i64 = redis.ask(&["COPY", "cache:ai:0123", "cache:ai:4567"]);
    let other = Entry { name: "cache:ai:4567".to_owned(), ..dear() };
    assert_eq!(ask(&redis.cache().await, &other, "other").await, ("other".into(), "MISS"));
}

#[tokio::test]
async fn damaged_values_are_misses_and_are_mended() {
    let redis = Redis::start();
    ask(&redis.cache().await, &dear(), "first").await;
    let damages: [&[&str]; 5] = [
        &["SET", "cache:ai:0123", ""],
        &["SET", "cache:ai:0123", "garbage"],
        // Sixteen, for one random byte may well be this one.
        &["SETRANGE", "cache:ai:0123", "60", "xxxxxxxxxxxxxxxx"],
        &["APPEND", "cache:ai:0123", "x"],
        &["SETRANGE", "cache:ai:0123", "0", "\u{7f}"],
    ];
    for damage in damages {
        let _done: redis::Value = redis.ask(damage);
        let mended = ask(&redis.cache().await, &dear(), "again").await;
        assert_eq!(mended, ("again".into(), "MISS"), "{damage:?}");
        let hit = ask(&redis.cache().await, &dear(), "never").await;
        assert_eq!(hit, ("again".into(), "HIT"), "{damage:?}");
    }
    // Of another type: Redis refuses to read it, and goes on answering.
    let _dropped: i64 = redis.ask(&["DEL", "cache:ai:0123"]);
    let _pushed: i64 = redis.ask(&["LPUSH", "cache:ai:0123", "x"]);
    assert_eq!(ask(&redis.cache().await, &dear(), "again").await, ("again".into(), "MISS"));
    assert_eq!(ask(&redis.cache().await, &dear(), "never").await, ("again".into(), "HIT"));
}

/// Whoever knows the new version is never answered with the old, in whatever order things happen.
#[tokio::test]
async fn a_value_of_another_version_is_none_in_redis_and_in_memory() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    ask(&a, &version(1), "old").await;
    ask(&b, &version(1), "never").await;
    // Changed, and no process got to invalidate.
    assert_eq!(ask(&a, &version(2), "new").await, ("new".into(), "MISS"));
    assert_eq!(ask(&b, &version(2), "never").await, ("new".into(), "HIT"));
    // A reader that was slow puts the old version back.
    ask(&redis.cache().await, &version(1), "old").await;
    assert_eq!(ask(&redis.cache().await, &version(2), "new").await, ("new".into(), "MISS"));
}

#[tokio::test]
async fn what_is_too_long_is_answered_and_not_stored() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    // With its two quotes, as JSON.
    let [long, fits] = [(2 << 20) - 1, (2 << 20) - 2].map(|length| "x".repeat(length));
    assert_eq!(ask(&cache, &dear(), &long).await.1, "MISS");
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
    assert_eq!(ask(&cache, &dear(), &fits).await.1, "MISS");
    assert_eq!(ask(&cache, &dear(), "never").await.1, "HIT", "redis has what memory has not");
}

#[tokio::test]
async fn what_is_not_to_be_read_or_stored_is_not() {
    let redis = Redis::start();
    let asked = async |use_, answer| -> (String, &'static str) {
        let cache = redis.cache().await;
        let asked: Asked = cache.get_or_load(&dear(), &key(1), use_, || async { answer }).await;
        shown(asked)
    };
    assert_eq!(asked(Use::NOTHING, text("a")).await, ("a".into(), "BYPASS"));
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
    let no_cache = Use { read: false, store: true };
    assert_eq!(asked(no_cache, text("b")).await, ("b".into(), "BYPASS"));
    assert_eq!(asked(no_cache, text("c")).await, ("c".into(), "BYPASS"));
    assert_eq!(asked(Use::EVERYTHING, text("d")).await, ("c".into(), "HIT"));
}
