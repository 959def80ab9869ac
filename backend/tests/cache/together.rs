//! Concurrent requests in two processes share one load.

use super::fixture::{
    Answer, Failure, Outcome, Redis, ai_entry, ask, flight, shown, text, wait_until,
};
use backend::cache::{Cache, Flight, Loaded};
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, oneshot};

const LOCK: &str = "cache:ai:0123:lock";

/// Starts `number` requests for the same entry. Each load is counted and ends once `end` has a
/// permit.
fn concurrent_requests(
    cache: &Cache,
    number: usize,
    loads: &Arc<AtomicUsize>,
    end: &Arc<Semaphore>,
) -> Vec<Flight<String, Failure>> {
    let one = || {
        let (loads, end) = (Arc::clone(loads), Arc::clone(end));
        flight(cache, &ai_entry(), async move {
            loads.fetch_add(1, Ordering::SeqCst);
            let _end = end.acquire().await.unwrap();
            text("once")
        })
    };
    (0..number).map(|_| one()).collect()
}

async fn all(flights: Vec<Flight<String, Failure>>) -> Vec<(String, &'static str)> {
    join_all(flights.into_iter().map(Flight::result)).await.into_iter().map(shown).collect()
}

#[tokio::test]
async fn concurrent_requests_to_two_processes_cost_one_load() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    let (loads, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let of_a = concurrent_requests(&a, 100, &loads, &end);
    let of_b = concurrent_requests(&b, 100, &loads, &end);
    wait_until("a load has begun", || loads.load(Ordering::SeqCst) > 0).await;
    end.add_permits(10);
    let answers = [all(of_a).await, all(of_b).await].concat();
    assert!(answers.iter().all(|(value, _)| value == "once"), "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, origin)| *origin == "MISS").count(), 1, "{answers:?}");
    let coalesced = answers.iter().filter(|(_, origin)| *origin == "COALESCED").count();
    assert_eq!(coalesced, 199, "{answers:?}");
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(redis.ask::<i64>(&["EXISTS", LOCK]), 0);
}

#[tokio::test]
async fn dropping_the_first_request_does_not_end_the_load() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    let (end, ended) = oneshot::channel::<()>();
    let first = flight(&a, &ai_entry(), async {
        ended.await.unwrap();
        text("whole")
    });
    wait_until("the lock is taken", || redis.ask::<i64>(&["EXISTS", LOCK]) == 1).await;
    let others = [
        flight(&a, &ai_entry(), async { text("a's") }),
        flight(&b, &ai_entry(), async { text("b's") }),
    ];
    drop(first);
    end.send(()).unwrap();
    for (value, origin) in all(others.into()).await {
        assert_eq!((value.as_str(), origin), ("whole", "COALESCED"));
    }
}

/// A failed load affects only its own process: other processes try themselves, one at a time.
#[tokio::test]
async fn a_process_waiting_for_a_failed_or_unkept_load_loads_next() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    let half = Ok(Loaded { value: "half".to_owned(), keep: false });
    for ends in [Err(Failure::Broken), half] {
        let (end, ended) = oneshot::channel::<Answer>();
        let first = flight(&a, &ai_entry(), async { ended.await.unwrap() });
        wait_until("the lock is taken", || redis.ask::<i64>(&["EXISTS", LOCK]) == 1).await;
        let second = flight(&b, &ai_entry(), async { text("whole") });
        end.send(ends).unwrap();
        let _failed_or_half: Outcome = first.result().await;
        assert_eq!(shown(second.result().await), ("whole".into(), "MISS"));
        a.invalidate(&ai_entry()).await;
        b.invalidate(&ai_entry()).await;
    }
}

/// The lock is not renewed, as if its process had died.
#[tokio::test]
async fn a_waiting_process_takes_over_an_expired_lock() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    let _set: String = redis.ask(&["SET", LOCK, "someone", "PX", "600"]);
    assert_eq!(ask(&cache, &ai_entry(), "mine").await, ("mine".into(), "MISS"));
    let _set: String = redis.ask(&["SET", LOCK, "someone", "PX", "600000"]);
    cache.invalidate(&ai_entry()).await;
    let waits = flight(&cache, &ai_entry(), async { text("mine") });
    let _deleted: i64 = redis.ask(&["DEL", LOCK]);
    assert_eq!(shown(waits.result().await), ("mine".into(), "MISS"));
}

#[tokio::test]
async fn a_lock_is_renewed_during_a_load_and_released_only_by_its_holder() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    let (end, ended) = oneshot::channel::<()>();
    let loading = flight(&cache, &ai_entry(), async {
        ended.await.unwrap();
        text("whole")
    });
    let left_ms = || redis.ask::<i64>(&["PTTL", LOCK]);
    wait_until("part of its TTL has passed", || (1..=4_900).contains(&left_ms())).await;
    wait_until("it is renewed", || left_ms() > 5_500).await;
    // Another process took the lock: it is neither renewed nor released.
    let _set: String = redis.ask(&["SET", LOCK, "someone", "PX", "600000"]);
    end.send(()).unwrap();
    loading.result().await.unwrap();
    assert_eq!(redis.ask::<String>(&["GET", LOCK]), "someone");
}
