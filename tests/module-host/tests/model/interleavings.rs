//! Two workers, the module's thread and Envoy's main thread, in many orders of their steps: each
//! paused request is woken by its decision alone, without a tick, no stream is woken after its end,
//! and closing ends.

use super::envoy::{filter, lock, request_to};
use super::ledger::{Ledger, admitted, denied};
use module_host::{Filter, Stream};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread;

const WORKERS: usize = 2;
const STREAMS: usize = 2;
/// Orders to try. A planted fault in the lock or the wake-up shows within some dozens.
const ORDERS: usize = 500;

/// A worker's streams: each waits for its decision, unless its client leaves first.
fn work(worker: usize, filter: &Filter) {
    let leaves = |_: usize| thread_rng().gen_bool(0.3);
    let streams: Vec<(Stream, bool)> = (0..STREAMS)
        .map(|at| {
            let stream = Stream::new(filter, request_to("/", &format!("{worker}-{at}")));
            stream.request_headers();
            (stream, leaves(at))
        })
        .collect();
    for (stream, leaves) in streams {
        while stream.is_paused() && !leaves {
            if !stream.run_scheduled() {
                thread::yield_now();
            }
        }
        stream.end();
    }
}

/// Makes calls when notified, and at no other time.
fn serve(ledger: &Ledger, has_stopped: &AtomicBool) {
    shuttle::future::block_on(async {
        while !has_stopped.load(Ordering::SeqCst) {
            ledger.0.notified().await;
            let decide = if thread_rng().gen_bool(0.5) { admitted } else { denied };
            while ledger.reply(decide) > 0 {}
        }
    });
}

fn run() {
    let (filter, ledger) = filter();
    let (filter, ledger) = (Arc::new(filter), Arc::new(ledger));
    let has_stopped = Arc::new(AtomicBool::new(false));
    let server = {
        let (ledger, has_stopped) = (Arc::clone(&ledger), Arc::clone(&has_stopped));
        thread::spawn(move || serve(&ledger, &has_stopped))
    };
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let filter = Arc::clone(&filter);
            thread::spawn(move || work(worker, &filter))
        })
        .collect();
    let exporter = {
        let (ledger, filter) = (Arc::clone(&ledger), Arc::clone(&filter));
        thread::spawn(move || {
            let _is_over = ledger.0.tick();
            filter.run_scheduled();
        })
    };
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let ticker = {
        let ledger = Arc::clone(&ledger);
        thread::spawn(move || {
            let _is_over = ledger.0.tick();
        })
    };
    exporter.join().unwrap();
    Arc::into_inner(filter).expect("the workers have ended").destroy();
    ticker.join().unwrap();
    has_stopped.store(true, Ordering::SeqCst);
    ledger.0.notify();
    server.join().unwrap();
    assert!(ledger.0.tick(), "a closed configuration does not end");
    drop(ledger);
    module_host::assert_nothing_is_left();
}

#[test]
fn each_paused_request_is_released_in_any_order_of_steps() {
    let _alone = lock();
    module_host::on_pause_point(thread::yield_now);
    shuttle::check_random(run, ORDERS);
    shuttle::check_pct(run, ORDERS, 4);
}
