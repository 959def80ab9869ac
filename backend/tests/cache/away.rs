//! Redis killed, hung, full, restarted: answers all the while, and none that is wrong.

use super::fixture::{PATIENCE, Redis, ask, cache_at, dear, flight, shown, text, until, version};
use backend::cache::{Entry, RedisState};
use backend::redis_probe;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a Redis that hangs is waited for: longer than one that answers on a busy machine takes.
const BRIEF: Duration = Duration::from_secs(3);

#[tokio::test]
async fn without_redis_memory_answers_and_with_it_again_redis_does() {
    let mut redis = Redis::start();
    let (cache, link) = redis.cache_and_link(PATIENCE).await;
    ask(&cache, &dear(), "before").await;
    redis.server.kill();
    until("it is down", || link.state() == RedisState::Down).await;
    assert_eq!(ask(&cache, &dear(), "never").await, ("before".into(), "HIT"));
    let other = Entry { name: "cache:ai:other".into(), ..dear() };
    assert_eq!(ask(&cache, &other, "meanwhile").await, ("meanwhile".into(), "MISS"));
    redis.server.restart().unwrap();
    until("it is up", || link.state() == RedisState::Up).await;
    cache.invalidate(&other).await;
    ask(&cache, &other, "after").await;
    assert_eq!(ask(&redis.cache().await, &other, "never").await, ("after".into(), "HIT"));
}

/// The old value is still there when Redis is back, and in another process's memory.
#[tokio::test]
async fn what_changed_while_redis_was_away_is_seen_when_it_is_back_with_the_old_value() {
    let redis = Redis::start();
    let (a, link) = redis.cache_and_link(BRIEF).await;
    let b = redis.cache().await;
    ask(&a, &version(1), "old").await;
    ask(&b, &version(1), "never").await;
    redis.server.pause();
    until("it is down", || link.state() == RedisState::Down).await;
    a.invalidate(&version(1)).await;
    redis.server.resume();
    until("it is up", || link.state() == RedisState::Up).await;
    assert_eq!(redis.ask::<i64>(&["EXISTS", "cache:ai:0123"]), 1, "it kept the old value");
    assert_eq!(ask(&b, &version(2), "new").await, ("new".into(), "MISS"));
    assert_eq!(ask(&a, &version(2), "never").await, ("new".into(), "HIT"));
}

#[tokio::test]
async fn who_waits_for_another_process_when_redis_goes_away_loads() {
    let mut redis = Redis::start();
    let cache = redis.cache().await;
    let _set: String = redis.ask(&["SET", "cache:ai:0123:lock", "someone", "PX", "600000"]);
    let begun = Arc::new(AtomicBool::new(false));
    let has_begun = Arc::clone(&begun);
    let waits = flight(&cache, &dear(), async move {
        has_begun.store(true, Ordering::SeqCst);
        text("mine")
    });
    for _ in 0..5 {
        assert_eq!(redis.ask::<i64>(&["EXISTS", "cache:ai:0123:lock"]), 1);
        assert!(!begun.load(Ordering::SeqCst), "it waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    redis.server.kill();
    assert_eq!(shown(waits.result().await), ("mine".into(), "MISS"));
}

#[tokio::test]
async fn a_redis_that_is_full_costs_only_what_it_would_store() {
    let redis = Redis::start();
    let (cache, link) = redis.cache_and_link(PATIENCE).await;
    ask(&cache, &dear(), "before").await;
    let _set: String = redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let other = Entry { name: "cache:ai:other".into(), ..dear() };
    assert_eq!(ask(&cache, &other, "a").await, ("a".into(), "MISS"));
    assert_eq!(ask(&cache, &other, "b").await, ("a".into(), "HIT"), "in memory");
    assert_eq!(link.state(), RedisState::Up, "it answers");
}

/// The time-out is an hour: whoever waited for it would be noticed.
#[tokio::test]
async fn a_redis_that_is_known_to_be_away_costs_nobody_any_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let (cache, link) = cache_at(&url, Duration::from_secs(3600));
    assert_eq!(link.state(), RedisState::Down);
    for n in 0..100 {
        let entry = Entry { name: format!("cache:ai:{n}"), ..dear() };
        assert_eq!(ask(&cache, &entry, "a").await, ("a".into(), "MISS"));
        cache.invalidate(&entry).await;
    }
}

#[tokio::test]
async fn a_command_without_an_answer_has_everyone_go_on_without_redis() {
    let redis = Redis::start();
    let url = harness::stack::redis::url(&redis.server);
    let (cache, link) = cache_at(&url, BRIEF);
    // Asked once, and then not for an hour: only a command can find out.
    redis_probe::start(link.clone(), Duration::from_secs(3600)).await;
    assert_eq!(link.state(), RedisState::Up);
    redis.server.pause();
    assert_eq!(ask(&cache, &dear(), "a").await, ("a".into(), "MISS"));
    assert_eq!(link.state(), RedisState::Down);
    redis.server.resume();
    until("it is asked again by itself", || link.state() == RedisState::Up).await;
}
