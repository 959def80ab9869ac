//! Measures the time of a decision without the ledger, `on_failure: local`:
//! `cargo bench -p tollgate-limits --bench local`.
//!
//! The clients' counters fill the shared table to a different degree in each case. The fastest of
//! all rounds is shown, because other work on the machine only adds time. It asserts nothing,
//! because timings vary between machines.

use limits::explain::Request;
use limits::gate::{self, Disposition, Gate, Release, Reply, SharedData};
use limits::policy::Policy;
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

const NOW_US: u64 = 1_790_000_000_000_000;
const ROUNDS: usize = 20;
const DECISIONS: u32 = 2_000;

/// The shared data of a gateway process.
#[derive(Default)]
struct Process(RefCell<HashMap<String, (Vec<u8>, u32)>>);

impl SharedData for Process {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(name).cloned()
    }

    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut values = self.0.borrow_mut();
        let found = values.get(name).map_or(0, |(_, version)| *version);
        let fits = version.is_none_or(|version| version == found);
        if fits {
            values.insert(name.to_owned(), (value.to_vec(), found + 1));
        }
        fits
    }
}

fn main() {
    for clients in [1, 20_000, 60_000, 1_000_000] {
        let process = Process::default();
        gate::prepare(&process);
        let mut gate = gate_without_ledger(&process);
        let uncounted = (0..clients).filter(|at| !pass(&mut gate, &process, *at)).count();
        let step = (clients / DECISIONS).max(1);
        let mut best = Duration::MAX;
        for _ in 0..ROUNDS {
            best = best.min(measured(&mut gate, &process, step, clients));
        }
        let bytes: usize = process.0.borrow().values().map(|(bytes, _)| bytes.len()).sum();
        println!(
            "{:>7} ns  {clients} clients, {uncounted} of them not admitted; {} KB",
            best.as_nanos() / u128::from(DECISIONS),
            bytes / 1_000
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn measured(gate: &mut Gate, process: &Process, step: u32, clients: u32) -> Duration {
    let start = Instant::now();
    for at in 0..DECISIONS {
        black_box(pass(gate, process, at * step % clients));
    }
    start.elapsed()
}

/// Sends a request of a client. Returns true if it was admitted.
fn pass(gate: &mut Gate, process: &Process, client: u32) -> bool {
    let released = gate.request(NOW_US, 1, &request_of(client), process);
    gate.done(1);
    matches!(released, Disposition::Release(Release::Pass(_)))
}

fn request_of(client: u32) -> Request {
    Request {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        client: Some(client.wrapping_mul(0x9E37_79B1).to_be_bytes().into()),
        ..Request::default()
    }
}

/// Returns a gate with an open breaker.
#[expect(clippy::panic, reason = "a benchmark needs a valid policy")]
fn gate_without_ledger(process: &Process) -> Gate {
    let policy = json!({
        "version": 1,
        "keys": { "client": { "client_ip": {} } },
        "buckets": { "login": { "key": "client", "limit": 5_000, "window": "1m" } },
        "rules": [{ "charge": ["login"] }],
    });
    let policy = Policy::from_value(policy).unwrap_or_else(|error| panic!("{error}"));
    let mut gate = Gate::new(policy);
    for _ in 0..3 {
        gate.request(NOW_US, 1, &request_of(0), process);
        for call in gate.ready(NOW_US) {
            gate.reply(NOW_US, call.id, call.kind, Reply::default(), process);
        }
    }
    gate
}
