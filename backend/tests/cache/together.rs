//! Many who ask at once, in two processes: one load.

use super::fixture::{Answer, Asked, Failure, Redis, ask, dear, flight, shown, text, until};
use backend::cache::{Cache, Flight, Loaded};
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, oneshot};

const LOCK: &str = "cache:ai:0123:lock";

/// So many who ask for the same, counted as they load, which they may once `end` has room.
fn crowd(
    cache: &Cache,
    number: usize,
    loads: &Arc<AtomicUsize>,
    end: &Arc<Semaphore>,
) -> Vec<Flight<String, Failure>> {
    let one = || {
        let (loads, end) = (Arc::clone(loads), Arc::clone(end));
        flight(cache, &dear(), async move {
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
async fn a_hundred_who_ask_each_of_two_processes_at_once_cost_one_load() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    let (loads, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let of_a = crowd(&a, 100, &loads, &end);
    let of_b = crowd(&b, 100, &loads, &end);
    until("one loads", || loads.load(Ordering::SeqCst) > 0).await;
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
async fn whoever_began_it_may_leave_and_the_others_in_both_processes_get_theirs() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    let (end, ended) = oneshot::channel::<()>();
    let first = flight(&a, &dear(), async {
        ended.await.unwrap();
        text("whole")
    });
    until("it has the lock", || redis.ask::<i64>(&["EXISTS", LOCK]) == 1).await;
    let others =
        [flight(&a, &dear(), async { text("a's") }), flight(&b, &dear(), async { text("b's") })];
    drop(first);
    end.send(()).unwrap();
    for (value, origin) in all(others.into()).await {
        assert_eq!((value.as_str(), origin), ("whole", "COALESCED"));
    }
}

/// What another process's load came to is nobody else's: they try for themselves, one by one.
#[tokio::test]
async fn who_waits_for_a_load_that_fails_or_is_not_kept_loads_next() {
    let redis = Redis::start();
    let (a, b) = (redis.cache().await, redis.cache().await);
    let half = Ok(Loaded { value: "half".to_owned(), keep: false });
    for ends in [Err(Failure::Broken), half] {
        let (end, ended) = oneshot::channel::<Answer>();
        let first = flight(&a, &dear(), async { ended.await.unwrap() });
        until("it has the lock", || redis.ask::<i64>(&["EXISTS", LOCK]) == 1).await;
        let second = flight(&b, &dear(), async { text("whole") });
        end.send(ends).unwrap();
        let _failed_or_half: Asked = first.result().await;
        assert_eq!(shown(second.result().await), ("whole".into(), "MISS"));
        a.invalidate(&dear()).await;
        b.invalidate(&dear()).await;
    }
}

/// A lock that nobody renews: its process has died.
#[tokio::test]
async fn a_holder_that_vanishes_is_followed_by_one_who_waits() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    let _set: String = redis.ask(&["SET", LOCK, "someone", "PX", "600"]);
    assert_eq!(ask(&cache, &dear(), "mine").await, ("mine".into(), "MISS"));
    let _set: String = redis.ask(&["SET", LOCK, "someone", "PX", "600000"]);
    cache.invalidate(&dear()).await;
    let waits = flight(&cache, &dear(), async { text("mine") });
    let _deleted: i64 = redis.ask(&["DEL", LOCK]);
    assert_eq!(shown(waits.result().await), ("mine".into(), "MISS"));
}

#[tokio::test]
async fn a_lock_is_renewed_while_its_holder_loads_and_released_by_its_holder_alone() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    let (end, ended) = oneshot::channel::<()>();
    let loading = flight(&cache, &dear(), async {
        ended.await.unwrap();
        text("whole")
    });
    let left_ms = || redis.ask::<i64>(&["PTTL", LOCK]);
    until("some of its life is over", || (1..=4_900).contains(&left_ms())).await;
    until("it is renewed", || left_ms() > 5_500).await;
    // Lost to another: neither renewed nor released.
    let _set: String = redis.ask(&["SET", LOCK, "someone", "PX", "600000"]);
    end.send(()).unwrap();
    loading.result().await.unwrap();
    assert_eq!(redis.ask::<String>(&["GET", LOCK]), "someone");
}
