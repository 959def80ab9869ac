//! Redis killed, hung, full and restarted: the cache keeps giving correct answers.

use super::fixture::{
    Redis, TIMEOUT, ai_entry, ask, cache_at, flight, shown, text, version, wait_until,
};
use backend::cache::{Entry, RedisState};
use backend::redis_probe;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The timeout for a hung Redis, longer than a working one takes on a busy machine.
const SHORT_TIMEOUT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn memory_answers_without_redis_and_redis_once_it_is_back() {
    let mut redis = Redis::start();
    let (cache, link) = redis.cache_and_link(TIMEOUT).await;
    ask(&cache, &ai_entry(), "before").await;
    redis.server.kill();
    wait_until("it is down", || link.state() == RedisState::Down).await;
    assert_eq!(ask(&cache, &ai_entry(), "never").await, ("before".into(), "HIT"));
    let other = Entry { name: "cache:ai:other".into(), ..ai_entry() };
    assert_eq!(ask(&cache, &other, "meanwhile").await, ("meanwhile".into(), "MISS"));
    redis.server.restart().unwrap();
    wait_until("it is up", || link.state() == RedisState::Up).await;
    cache.invalidate(&other).await;
    ask(&cache, &other, "after").await;
    assert_eq!(ask(&redis.cache().await, &other, "never").await, ("after".into(), "HIT"));
}

/// When Redis is back, it still has the old value, as does another process's memory.
#[tokio::test]
async fn a_change_during_an_outage_is_seen_after_it() {
    let redis = Redis::start();
    let (a, link) = redis.cache_and_link(SHORT_TIMEOUT).await;
    let b = redis.cache().await;
    ask(&a, &version(1), "old").await;
    ask(&b, &version(1), "never").await;
    redis.server.pause();
    wait_until("it is down", || link.state() == RedisState::Down).await;
    a.invalidate(&version(1)).await;
    redis.server.resume();
    wait_until("it is up", || link.state() == RedisState::Up).await;
    assert_eq!(redis.ask::<i64>(&["EXISTS", "cache:ai:0123"]), 1, "redis kept the old value");
    assert_eq!(ask(&b, &version(2), "new").await, ("new".into(), "MISS"));
    assert_eq!(ask(&a, &version(2), "never").await, ("new".into(), "HIT"));
}

#[tokio::test]
async fn a_request_waiting_for_another_process_loads_when_redis_goes_away() {
    let mut redis = Redis::start();
    let cache = redis.cache().await;
    let _set: String = redis.ask(&["SET", "cache:ai:0123:lock", "someone", "PX", "600000"]);
    let begun = Arc::new(AtomicBool::new(false));
    let has_begun = Arc::clone(&begun);
    let waits = flight(&cache, &ai_entry(), async move {
        has_begun.store(true, Ordering::SeqCst);
        text("mine")
    });
    for _ in 0..5 {
        assert_eq!(redis.ask::<i64>(&["EXISTS", "cache:ai:0123:lock"]), 1);
        assert!(!begun.load(Ordering::SeqCst), "the load has not begun");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    redis.server.kill();
    assert_eq!(shown(waits.result().await), ("mine".into(), "MISS"));
}

#[tokio::test]
async fn a_full_redis_stores_nothing_but_stays_up() {
    let redis = Redis::start();
    let (cache, link) = redis.cache_and_link(TIMEOUT).await;
    ask(&cache, &ai_entry(), "before").await;
    let _set: String = redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let other = Entry { name: "cache:ai:other".into(), ..ai_entry() };
    assert_eq!(ask(&cache, &other, "a").await, ("a".into(), "MISS"));
    assert_eq!(ask(&cache, &other, "b").await, ("a".into(), "HIT"), "memory has it");
    assert_eq!(link.state(), RedisState::Up, "redis still answers");
}

/// The timeout is an hour, so waiting for it would fail the test.
#[tokio::test]
async fn a_redis_known_to_be_down_causes_no_delay() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let (cache, link) = cache_at(&url, Duration::from_secs(3600));
    assert_eq!(link.state(), RedisState::Down);
    for n in 0..100 {
        let entry = Entry { name: format!("cache:ai:{n}"), ..ai_entry() };
        assert_eq!(ask(&cache, &entry, "a").await, ("a".into(), "MISS"));
        cache.invalidate(&entry).await;
    }
}

#[tokio::test]
async fn a_command_that_times_out_marks_redis_as_down() {
    let redis = Redis::start();
    let url = harness::stack::redis::url(&redis.server);
    let (cache, link) = cache_at(&url, SHORT_TIMEOUT);
    // Probed once and then not for an hour, so only a command can notice.
    redis_probe::start(link.clone(), Duration::from_secs(3600)).await;
    assert_eq!(link.state(), RedisState::Up);
    redis.server.pause();
    assert_eq!(ask(&cache, &ai_entry(), "a").await, ("a".into(), "MISS"));
    assert_eq!(link.state(), RedisState::Down);
    redis.server.resume();
    wait_until("the probe notices", || link.state() == RedisState::Up).await;
}
