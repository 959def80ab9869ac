//! All Envoys and workers share one count.

use super::login::{statuses, wrong_login};
use std::thread;
use tests::client::Client;
use tests::gateway::{Gateway, Options};

fn admitted_of(clients: &[Client], each: usize) -> usize {
    let all: Vec<u16> = thread::scope(|scope| {
        let threads: Vec<_> =
            clients.iter().map(|client| scope.spawn(move || statuses(client, each))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|status| [401, 429].contains(status)), "{all:?}");
    all.iter().filter(|status| **status == 401).count()
}

/// Returns the number of logins that two Envoys admit, of five through each.
pub(super) fn admitted_by_two_envoys(options: Options) -> usize {
    let gateway = Gateway::start(&Options { envoys: 2, ..options }).unwrap();
    admitted_of(&[gateway.client_of(0), gateway.client_of(1)], 5)
}

#[test]
fn two_envoys_admit_five_logins_together_with_redis() {
    assert_eq!(admitted_by_two_envoys(Options::default()), 5);
}

#[test]
fn two_workers_of_one_envoy_admit_five_logins_together() {
    let gateway = Gateway::start(&Options { workers: 2, ..Options::default() }).unwrap();
    // Each request opens a new connection, which the kernel assigns to either worker.
    let clients = [gateway.client(); 8];
    assert_eq!(admitted_of(&clients, 3), 5);
    wait_for_both_workers(&gateway);
    assert_eq!(admitted_of(&clients, 1), 0);
}

/// Sends requests until both workers have had a connection; otherwise the test proves nothing.
fn wait_for_both_workers(gateway: &Gateway) {
    for worker in ["worker_0", "worker_1"] {
        let name = format!("{worker}.downstream_cx_total");
        let deadline = harness::clock::Deadline::after(std::time::Duration::from_secs(30));
        while tests::gateway::counter_of(&gateway.envoys[0], &name) == 0 {
            assert!(!deadline.has_passed(), "{worker} has had no connection");
            wrong_login(&gateway.client());
        }
    }
}

#[test]
fn two_workers_of_one_envoy_admit_five_logins_together_without_the_ledger() {
    let policy = tests::gateway::shipped_policy();
    let mut gateway =
        Gateway::start(&Options { workers: 2, policy, ..Options::default() }).unwrap();
    gateway.ledger_server().kill();
    let clients = [gateway.client(); 8];
    assert_eq!(admitted_of(&clients, 3), 5, "the workers share a local count");
    wait_for_both_workers(&gateway);
    assert_eq!(admitted_of(&clients, 1), 0);
    let refused = wrong_login(&gateway.client());
    assert_eq!(refused.header("tollgate-verdict"), "degraded", "{}", refused.as_text());
}

#[test]
fn concurrent_requests_use_the_whole_limit() {
    let gateway = Gateway::start(&Options { envoys: 2, workers: 2, ..Options::default() }).unwrap();
    let clients: Vec<_> = (0..16).map(|at| gateway.client_of(at % 2)).collect();
    let all: Vec<u16> = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter()
            .map(|client| {
                scope
                    .spawn(move || (0..5).map(|_| client.get("/", None).status).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(all.iter().filter(|status| **status == 200).count(), 30, "{all:?}");
    assert_eq!(all.iter().filter(|status| **status == 429).count(), 50, "{all:?}");
}
