//! Tests of the cache without Redis. Those with Redis are in `backend/tests/cache`.

use super::flight::Flight;
use super::*;
use futures_util::future::join_all;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, oneshot};

#[derive(Debug, PartialEq, Eq)]
enum Failure {
    Broken,
    Aborted(Aborted),
}

impl From<Aborted> for Failure {
    fn from(why: Aborted) -> Self {
        Self::Aborted(why)
    }
}

type Answer = Result<Loaded<String>, Failure>;

fn ttls() -> Ttls {
    let ttl = Duration::from_secs(600);
    Ttls { ai: ttl, pricing: ttl, subscription: ttl, resume: ttl }
}

fn cache(enabled: bool) -> Cache {
    let settings = LinkSettings { max_connections: 1, timeout: Duration::from_secs(1) };
    Cache::new(enabled, ttls(), Link::new(None, settings))
}

fn entry() -> Entry {
    Entry::ai("analyze", "abc", &ttls())
}

fn key(byte: u8) -> SealKey {
    SealKey::new([byte; 32])
}

fn text(text: &str) -> Answer {
    Ok(Loaded::keep(text.to_owned()))
}

async fn ask(cache: &Cache, entry: &Entry, use_: Use, answer: Answer) -> (String, Origin) {
    let cached = cache.get_or_load(entry, &key(1), use_, || async { answer }).await.unwrap();
    (cached.value, cached.origin)
}

const HIT: Origin = Origin::Hit { age_s: 0 };

#[tokio::test]
async fn a_hit_requires_the_same_key_and_version() {
    let cache = cache(true);
    let at = |version| Entry { version, ..entry() };
    assert_eq!(ask(&cache, &at(1), Use::EVERYTHING, text("a")).await, ("a".into(), Origin::Miss));
    assert_eq!(ask(&cache, &at(1), Use::EVERYTHING, text("b")).await, ("a".into(), HIT));
    let other: Result<_, Arc<Failure>> =
        cache.get_or_load(&at(1), &key(2), Use::EVERYTHING, || async { text("c") }).await;
    assert_eq!(other.unwrap().value, "c");
    assert_eq!(ask(&cache, &at(2), Use::EVERYTHING, text("d")).await, ("d".into(), Origin::Miss));
}

/// The old version's load ends last, and stores its value under the old version.
#[tokio::test]
async fn a_slow_reader_cannot_put_an_old_version_back() {
    let cache = cache(true);
    let at = |version| Entry { version, ..entry() };
    let (end, ended) = oneshot::channel::<()>();
    let slow: Flight<String, Failure> = cache.flight(&at(1), &key(1), Use::EVERYTHING, |_| async {
        ended.await.unwrap();
        text("old")
    });
    cache.invalidate(&at(1)).await;
    assert_eq!(ask(&cache, &at(2), Use::EVERYTHING, text("new")).await.0, "new");
    end.send(()).unwrap();
    assert_eq!(slow.result().await.unwrap().value, "old", "it started before the change");
    let after = ask(&cache, &at(2), Use::EVERYTHING, text("newer")).await;
    assert_ne!(after.0, "old");
    assert_eq!(ask(&cache, &at(2), Use::EVERYTHING, text("x")).await, (after.0, HIT));
}

#[tokio::test]
async fn an_invalidated_entry_is_loaded_again() {
    let cache = cache(true);
    ask(&cache, &entry(), Use::EVERYTHING, text("a")).await;
    cache.invalidate(&entry()).await;
    let again = ask(&cache, &entry(), Use::EVERYTHING, text("b")).await;
    assert_eq!(again, ("b".into(), Origin::Miss));
}

#[tokio::test]
async fn requests_can_skip_reading_and_storing() {
    let cache = cache(true);
    let no_cache = Use { read: false, store: true };
    assert_eq!(ask(&cache, &entry(), no_cache, text("a")).await, ("a".into(), Origin::Bypass));
    assert_eq!(ask(&cache, &entry(), Use::EVERYTHING, text("b")).await, ("a".into(), HIT));
    assert_eq!(ask(&cache, &entry(), Use::NOTHING, text("c")).await, ("c".into(), Origin::Bypass));
    assert_eq!(ask(&cache, &entry(), Use::EVERYTHING, text("d")).await, ("a".into(), HIT));
}

#[tokio::test]
async fn a_disabled_cache_always_loads() {
    let cache = cache(false);
    for value in ["a", "b"] {
        let answer = ask(&cache, &entry(), Use::EVERYTHING, text(value)).await;
        assert_eq!(answer, (value.into(), Origin::Bypass));
    }
    assert_eq!(cache.memory.get::<String>(&entry(), &key(1)), None);
}

#[tokio::test]
async fn failures_and_partial_values_are_not_stored() {
    let cache = cache(true);
    let half = Ok(Loaded { value: "half".to_owned(), keep: false });
    assert_eq!(ask(&cache, &entry(), Use::EVERYTHING, half).await.1, Origin::Miss);
    let failed: Result<Cached<String>, _> = cache
        .get_or_load(&entry(), &key(1), Use::EVERYTHING, || async { Err(Failure::Broken) })
        .await;
    assert_eq!(*failed.unwrap_err(), Failure::Broken);
    let whole = ask(&cache, &entry(), Use::EVERYTHING, text("whole")).await;
    assert_eq!(whole, ("whole".into(), Origin::Miss));
}

/// Repeats a race many times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_never_joins_a_failed_load() {
    let cache = cache(true);
    for _ in 0..500 {
        let failed: Result<Cached<String>, _> = cache
            .get_or_load(&entry(), &key(1), Use::EVERYTHING, || async { Err(Failure::Broken) })
            .await;
        assert_eq!(*failed.unwrap_err(), Failure::Broken);
        let half = Ok(Loaded { value: "half".to_owned(), keep: false });
        assert_eq!(ask(&cache, &entry(), Use::EVERYTHING, half).await.1, Origin::Miss);
    }
}

#[tokio::test]
async fn values_expire() {
    let cache = cache(true);
    ask(&cache, &entry(), Use::EVERYTHING, text("a")).await;
    let over = Entry { ttl: Duration::ZERO, ..entry() };
    assert_eq!(ask(&cache, &over, Use::EVERYTHING, text("b")).await, ("b".into(), Origin::Miss));
    let put = |at_ms| {
        let stored = Stored { value: "old".to_owned(), json_bytes: 5, at_ms };
        cache.remember(&entry(), &key(1), stored);
    };
    put(now_ms() - 599_000);
    let (value, origin) = ask(&cache, &entry(), Use::EVERYTHING, text("c")).await;
    assert_eq!(value, "old");
    assert!(matches!(origin, Origin::Hit { age_s: 599.. }), "{origin:?}");
    put(now_ms() - 600_000);
    assert_eq!(ask(&cache, &entry(), Use::EVERYTHING, text("d")).await.0, "d");
}

#[tokio::test]
async fn concurrent_callers_share_one_load() {
    let (cache, loads, begun) = (cache(true), Arc::new(AtomicUsize::new(0)), Notify::new());
    let (end, ended) = oneshot::channel::<()>();
    let ended = Arc::new(Mutex::new(Some(ended)));
    let asked: Vec<Flight<String, Failure>> = (0..100)
        .map(|_| {
            let (loads, ended) = (Arc::clone(&loads), Arc::clone(&ended));
            cache.flight(&entry(), &key(1), Use::EVERYTHING, |_| async move {
                loads.fetch_add(1, Ordering::SeqCst);
                let ended = ended.lock().unwrap_or_else(PoisonError::into_inner).take();
                ended.unwrap().await.unwrap();
                text("once")
            })
        })
        .collect();
    begun.notify_one();
    end.send(()).unwrap();
    let results = join_all(asked.into_iter().map(Flight::result)).await;
    let origins: Vec<_> = results.into_iter().map(|result| result.unwrap().origin).collect();
    assert_eq!(origins[0], Origin::Miss);
    assert!(origins[1..].iter().all(|origin| *origin == Origin::Coalesced), "{origins:?}");
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert!(cache.flights.is_empty());
}

#[tokio::test]
async fn callers_with_different_keys_do_not_share_a_load() {
    let cache = cache(true);
    let (end, ended) = oneshot::channel::<()>();
    let theirs: Flight<String, Failure> =
        cache.flight(&entry(), &key(1), Use::EVERYTHING, |_| async {
            ended.await.unwrap();
            text("theirs")
        });
    let mine: Flight<String, Failure> =
        cache.flight(&entry(), &key(2), Use::EVERYTHING, |_| async { text("mine") });
    end.send(()).unwrap();
    let mine = mine.result().await.unwrap();
    assert_eq!(mine, Cached { value: "mine".to_owned(), origin: Origin::Miss });
    assert_eq!(theirs.result().await.unwrap().value, "theirs");
}

#[tokio::test]
async fn a_load_outlives_the_caller_that_started_it() {
    let cache = cache(true);
    let (end, ended) = oneshot::channel::<()>();
    let first: Flight<String, Failure> =
        cache.flight(&entry(), &key(1), Use::EVERYTHING, |_| async {
            ended.await.unwrap();
            text("whole")
        });
    let second: Flight<String, Failure> =
        cache.flight(&entry(), &key(1), Use::EVERYTHING, |_| async { text("never") });
    drop(first);
    end.send(()).unwrap();
    let result = second.result().await.unwrap();
    assert_eq!(result, Cached { value: "whole".to_owned(), origin: Origin::Coalesced });
    assert_eq!(ask(&cache, &entry(), Use::EVERYTHING, text("b")).await, ("whole".into(), HIT));
}

#[tokio::test]
async fn late_joiners_receive_all_deltas() {
    let cache = cache(true);
    let (go_on, gone_on) = oneshot::channel::<()>();
    let (said, has_said) = oneshot::channel::<()>();
    let mut first: Flight<String, Failure> =
        cache.flight(&entry(), &key(1), Use::EVERYTHING, |deltas| async move {
            deltas.push("a");
            deltas.push("");
            deltas.push("b");
            said.send(()).unwrap();
            gone_on.await.unwrap();
            deltas.push("c");
            text("abc")
        });
    has_said.await.unwrap();
    let mut late: Flight<String, Failure> =
        cache.flight(&entry(), &key(1), Use::EVERYTHING, |_| async { text("never") });
    go_on.send(()).unwrap();
    for flight in [&mut first, &mut late] {
        let mut received = String::new();
        while let Some(delta) = flight.next_delta().await {
            received.push_str(&delta);
        }
        assert_eq!(received, "abc");
        assert_eq!(flight.next_delta().await, None);
    }
    assert_eq!(late.result().await.unwrap().value, "abc");
    let mut hit: Flight<String, Failure> =
        cache.flight(&entry(), &key(1), Use::EVERYTHING, |_| async { text("never") });
    assert_eq!(hit.next_delta().await, None);
    assert_eq!(hit.result().await.unwrap().origin, HIT);
}

#[tokio::test]
async fn deltas_are_limited_but_the_result_is_complete() {
    let cache = cache(true);
    let mut flight: Flight<String, Failure> =
        cache.flight(&entry(), &key(1), Use::EVERYTHING, |deltas| async move {
            for _ in 0..3 {
                deltas.push(&"x".repeat(600_000));
            }
            deltas.push("y");
            text("whole")
        });
    let mut received_bytes = 0;
    while let Some(delta) = flight.next_delta().await {
        received_bytes += delta.len();
    }
    assert_eq!(received_bytes, 600_001);
    assert_eq!(flight.result().await.unwrap().value, "whole");
}

#[tokio::test]
async fn a_panicking_load_fails_its_callers_but_not_the_next_load() {
    let cache = cache(true);
    let board = || -> Flight<String, Failure> {
        cache.flight(&entry(), &key(1), Use::EVERYTHING, |deltas| async move {
            // A delta sink may outlive the load.
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(deltas);
            });
            panic!("on purpose");
        })
    };
    for result in join_all([board(), board()].map(Flight::result)).await {
        assert_eq!(*result.unwrap_err(), Failure::Aborted(Aborted::Panicked));
    }
    assert_eq!(ask(&cache, &entry(), Use::EVERYTHING, text("a")).await.1, Origin::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_load_times_out() {
    let cache = cache(true);
    let never: Result<Cached<String>, Arc<Failure>> = cache
        .get_or_load(&entry(), &key(1), Use::EVERYTHING, || async {
            std::future::pending::<()>().await;
            text("never")
        })
        .await;
    assert_eq!(*never.unwrap_err(), Failure::Aborted(Aborted::TooSlow));
}

#[tokio::test]
async fn concurrent_loads_are_limited() {
    let mut cache = cache(true);
    cache.flights = Flights::new(1);
    let (end, ended) = oneshot::channel::<()>();
    let first: Flight<String, Failure> =
        cache.flight(&entry(), &key(1), Use::EVERYTHING, |_| async {
            ended.await.unwrap();
            text("first")
        });
    let other = Entry::ai("analyze", "other", &ttls());
    for use_ in [Use::EVERYTHING, Use::NOTHING] {
        let refused: Result<Cached<String>, Arc<Failure>> =
            cache.get_or_load(&other, &key(1), use_, || async { text("never") }).await;
        assert_eq!(*refused.unwrap_err(), Failure::Aborted(Aborted::TooMany));
    }
    end.send(()).unwrap();
    first.result().await.unwrap();
    while !cache.flights.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&cache, &other, Use::EVERYTHING, text("b")).await.0, "b");
}

#[tokio::test]
async fn memory_is_limited_in_bytes_and_values_expire() {
    let memory = Memory::new(100_000);
    let named = |n: usize| Entry { name: format!("cache:{n}"), ..entry() };
    for n in 0..1000 {
        memory.put(&named(n), &key(1), Stored { value: n, json_bytes: 10_000, at_ms: 0 });
    }
    memory.settle();
    assert!(memory.bytes() <= 100_000, "{}", memory.bytes());
    let kept = (0..1000).filter(|n| memory.get::<usize>(&named(*n), &key(1)).is_some());
    assert!((1..=10).contains(&kept.count()));
    let short = Entry { ttl: Duration::from_millis(1), ..named(1) };
    memory.put(&short, &key(1), Stored { value: 1_usize, json_bytes: 10, at_ms: 0 });
    for _ in 0..10_000 {
        if memory.has(&short.name) {
            sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(!memory.has(&short.name));
    memory.put(&named(0), &key(1), Stored { value: 0_usize, json_bytes: (1 << 20) + 1, at_ms: 0 });
    assert_eq!(memory.get::<usize>(&named(0), &key(1)), None);
}
