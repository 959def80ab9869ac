//! Many clients with two shims and a Redis or a Cluster never exceed a limit in any interval.

use limits::wire::Request;
use std::collections::HashMap;
use std::thread;
use tests::shim::{Shims, Store, charge, counter, request, sliding};

const CLIENTS: usize = 16;
const CALLS: usize = 500;
const BATCH: usize = 25;
const HOUR_MS: u64 = 3_600_000;

/// Returns the counters: a few hot ones, a few with short windows, and many cold ones.
fn counters() -> Vec<(String, u64, u64)> {
    let hot = (0..4).map(|at| (format!("hot{at}"), 1_000 + at * 777, HOUR_MS));
    let brief = (0..4).map(|at| (format!("brief{at}"), 20 + at * 30, 50 + at * 100));
    let exact = (0..4).map(|at| (format!("exact{at}"), 128, 1_000));
    let cold = (0..500).map(|at| (format!("cold{at}"), 30, HOUR_MS));
    hot.chain(brief).chain(exact).chain(cold).collect()
}

/// A cheap, deterministic pseudo-random number generator.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).expect("a small number")
    }
}

#[derive(Default)]
struct Tally {
    admitted: usize,
    denied: usize,
    /// The times of the charges of 1, by counter.
    history: HashMap<usize, Vec<u64>>,
}

#[test]
fn no_interval_admits_more_than_the_limit() {
    check_limits(Store::Redis);
}

#[test]
fn no_interval_admits_more_than_the_limit_on_a_cluster() {
    check_limits(Store::Cluster);
}

fn check_limits(store: Store) {
    let shims = Shims::start(store, 2);
    let counters = counters();
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (shims, counters) = (&shims, &counters);
                scope.spawn(move || one_client(client, shims, counters))
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    let admitted: usize = tallies.iter().map(|tally| tally.admitted).sum();
    let denied: usize = tallies.iter().map(|tally| tally.denied).sum();
    assert_eq!(admitted + denied, CLIENTS * CALLS * BATCH);
    assert!(admitted > 10_000 && denied > 10_000, "{admitted} admitted, {denied} denied");
    for (at, (name, limit, window_ms)) in counters.iter().enumerate() {
        let mut times: Vec<u64> =
            tallies.iter().filter_map(|tally| tally.history.get(&at)).flatten().copied().collect();
        times.sort_unstable();
        let most = most_in_a_window(&times, *window_ms);
        assert!(most <= *limit, "{name}: {most} in {window_ms} ms exceed the limit of {limit}");
        if name.starts_with("hot") {
            assert_eq!(times.len() as u64, *limit, "{name}: the limit was not used up");
        }
    }
}

fn one_client(client: usize, shims: &Shims, counters: &[(String, u64, u64)]) -> Tally {
    let mut api = shims.api(client % shims.shims.len());
    let mut dice = Dice(client as u64 + 1);
    let mut tally = Tally::default();
    // A Cluster decides slot by slot, so a decision's time may be later than that of its charge
    // in one slot. This does not matter if the window outlasts the test.
    let outlasts = |at: usize| counters[at].2 == HOUR_MS;
    let spans = |first, second| shims.cluster.is_none() || outlasts(first) && outlasts(second);
    for _ in 0..CALLS {
        let picks: Vec<_> = (0..BATCH).map(|_| pick(&mut dice, counters.len(), spans)).collect();
        let requests = picks.iter().map(|pick| request_for(pick, counters)).collect();
        let reply = api.decide(requests);
        for (pick, decision) in picks.iter().zip(&reply.decisions) {
            assert_eq!(decision.error, None);
            if !decision.admitted {
                tally.denied += 1;
                continue;
            }
            tally.admitted += 1;
            let (at, _) = decision.id.split_once('-').expect("an id begins with its time");
            let at_ms = at.parse().expect("the time");
            for counter in pick {
                tally.history.entry(*counter).or_default().push(at_ms);
            }
        }
    }
    tally
}

/// Picks a counter, usually among the first dozen, and sometimes a second one.
fn pick(dice: &mut Dice, counters: usize, spans: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let first = if dice.roll(4) > 0 { dice.roll(12) } else { dice.roll(counters) };
    let second = dice.roll(counters);
    if dice.roll(5) == 0 && second != first && spans(first, second) {
        vec![first, second]
    } else {
        vec![first]
    }
}

fn request_for(pick: &[usize], counters: &[(String, u64, u64)]) -> Request {
    let charges: Vec<_> = pick
        .iter()
        .map(|at| {
            let (name, limit, window_ms) = &counters[*at];
            charge(counter(name, "b"), sliding(*limit, *window_ms))
        })
        .collect();
    request(charges)
}

/// Returns the highest number of the sorted `times` in any half-open interval of the window's
/// length.
fn most_in_a_window(times: &[u64], window_ms: u64) -> u64 {
    let mut first = 0;
    let mut most = 0;
    for (last, at_ms) in times.iter().enumerate() {
        while times[first] + window_ms <= *at_ms {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most as u64
}

#[test]
fn one_request_too_many_is_detected() {
    assert_eq!(most_in_a_window(&[0, 10, 20, 30], 20), 2);
    assert_eq!(most_in_a_window(&[0, 10, 19, 30], 20), 3);
    assert_eq!(most_in_a_window(&[], 20), 0);
}
