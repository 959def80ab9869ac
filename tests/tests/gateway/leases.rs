//! A counter in high demand stays exact even though parts of it are leased to workers.

use super::metrics::value_of;
use harness::clock::Deadline;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tests::gateway::{Gateway, Options, counter_of};

const LIMIT: usize = 3_000;

#[test]
fn leases_admit_exactly_the_limit() {
    let mut options = Options { envoys: 2, workers: 2, ..Options::default() };
    options.policy["buckets"]["public"]["limit"] = json!(LIMIT);
    options.policy["buckets"]["public"]["window"] = json!("1h");
    let gateway = Gateway::start(&options).unwrap();
    let deadline = Deadline::after(Duration::from_secs(120));
    let (admitted, denied) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Unspent leases come back, so the whole limit can be used up.
    let ask = |at: usize| {
        let client = gateway.client_of(at % 2);
        while admitted.load(Ordering::Relaxed) < LIMIT || denied.load(Ordering::Relaxed) < 100 {
            assert!(!deadline.has_passed(), "{admitted:?} admitted, {denied:?} denied");
            let count = match client.get("/", None).status {
                200 => &admitted,
                429 => &denied,
                other => panic!("{other}"),
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| (0..8).for_each(|at| drop(scope.spawn(move || ask(at)))));
    assert_eq!(admitted.into_inner(), LIMIT);
    let spent: u64 = gateway.envoys.iter().map(|envoy| counter_of(envoy, "leases.spent")).sum();
    assert!(spent > 0, "nothing was leased");
    // Checks the metric names in `envoy.yaml`. The amounts per Envoy are random.
    for name in ["granted", "spent", "returned"] {
        let value = value_of(&gateway, &format!("tollgate_leases_{name}"));
        assert_eq!(
            value,
            Some(counter_of(&gateway.envoys[0], &format!("leases.{name}$"))),
            "{name}"
        );
    }
}
