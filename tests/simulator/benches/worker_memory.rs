//! Measures a worker's memory over ten million requests with a million keys.
//!
//! Runs the shipped `.wasm` in the wasmtime host with virtual time, at a thousand requests per
//! virtual second, in batches. Some requests are denied, abandoned by their clients, or failed by
//! the shim. A third come in bursts for a few hot keys, whose counters are leased. For a tenth of
//! the requests, in the middle, the shim is unavailable, so local counters fill the shared data.
//!
//! `cargo bench -p tollgate-simulator --bench worker_memory --profile dev [-- REQUESTS]`
//!
//! With fewer than half a million requests, the outage may overlap only a burst and fill no page.

use anyhow::{Context, Result, ensure};
use harness::wasm;
use limits::wire::DecideBody;
use proxy_wasm_host::callout::{Fate, Reply};
use proxy_wasm_host::event::Event;
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::plugin::Plugin;
use proxy_wasm_host::process::{Cluster, Process};
use proxy_wasm_host::vm::{Options, Request, Vm};
use serde_json::json;

const REQUESTS: u64 = 10_000_000;
const KEYS: u64 = 1_000_000;
/// Requests per batch.
const BATCH: u64 = 50;
/// The duration of a batch.
const BATCH_NS: u64 = 50_000_000;
/// The limit on a worker's memory, with full tables and grown buffers.
const MAX_BYTES: usize = 8 << 20;
/// The limits on shared data: the pages of local counters, and a few small values.
const MAX_PAGES: usize = 1_100;
const MAX_SHARED_BYTES: usize = 4 << 20;
/// The minimum size when most pages are full: 16 counters of about 60 bytes per page.
const FILLED_BYTES: usize = 512 << 10;
const START_NS: u64 = 1_790_000_000_000_000_000;
/// One in this many batches of decisions times out.
const FAILS_ONE_IN: u64 = 500;
/// Each run of steady batches is followed by a burst that is a hundred times as fast and requests
/// only hot keys.
const STEADY_BATCHES: u64 = 1_600;
const BURST_BATCHES: u64 = 800;
const BURST_BATCH_NS: u64 = 500_000;
/// The number of hot keys: more than the lease table can hold. Each gets about 36 requests in a
/// burst of 400 ms.
const HOT_KEYS: u64 = 1_100;
/// The amount and duration of each lease.
const GRANTED: u64 = 8;
const LEASE_MS: u64 = 460;
/// One in this many requests is abandoned by its client while it waits.
const LEAVES_ONE_IN: u64 = 31;

fn main() -> Result<()> {
    // cargo bench adds `--bench`.
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let requests =
        wanted.map_or(Ok(REQUESTS), |text| text.parse()).context("a number of requests")?;
    let plugin = Plugin::compile(&std::fs::read(wasm::build()?)?)?;
    let process = Process::new(START_NS, [("tollgate", Cluster::Hosts)]);
    let configuration = serde_json::to_vec(&policy())?;
    let mut vm = Vm::start(&plugin, &process, &Options { configuration, ..Options::default() })?;
    let mut largest = 0;
    for batch in 0..requests / BATCH {
        run_batch(&mut vm, &process, batch, is_away(batch, requests / BATCH));
        let done = (batch + 1) * BATCH;
        if vm.memory_bytes() > largest || done.is_multiple_of(1_000_000) {
            largest = vm.memory_bytes();
            println!("after {done} requests: {} KiB", largest / 1024);
        }
        ensure!(largest <= MAX_BYTES, "after {done} requests: {largest} bytes");
        process.take_log();
        let violations = process.take_violations();
        ensure!(violations.is_empty(), "{violations:?}");
    }
    check(&process, requests)
}

/// Checks that the run exercised every path, and that shared data stayed within its limits.
fn check(process: &Process, requests: u64) -> Result<()> {
    let state = process.read();
    let count = |verdict: &str| {
        let metric = state.metrics.get(&format!("tollgate.requests.verdict={verdict}"));
        metric.map_or(0, |metric| metric.value)
    };
    let (admitted, denied, degraded) = (count("admitted"), count("denied"), count("degraded"));
    println!("{admitted} admitted, {denied} denied, {degraded} decided without the ledger");
    ensure!(admitted > requests / 2, "too few were admitted");
    ensure!(denied > requests / 10, "too few were denied");
    ensure!(degraded > requests / 20, "too few went without the ledger");
    ensure!(degraded < requests / 4, "too many went without the ledger");
    let counter = |name: &str| state.metrics.get(name).map_or(0, |metric| metric.value);
    for name in ["granted", "spent", "returned"] {
        let count = counter(&format!("tollgate.leases.{name}"));
        println!("leases {name}: {count}");
        ensure!(count > requests / 10_000, "too little was leased");
    }
    ensure!(counter("tollgate.breaker.opened") > 0, "the breaker never opened");
    let (pages, bytes) = (state.data.len(), state.data.bytes());
    println!("shared data: {pages} pages, {} KiB", bytes / 1024);
    ensure!(bytes > FILLED_BYTES, "the shared data's pages were not filled");
    ensure!(
        pages <= MAX_PAGES && bytes <= MAX_SHARED_BYTES,
        "the shared data exceeded its limit: {pages} pages, {bytes} bytes"
    );
    Ok(())
}

/// Returns true if a batch belongs to a burst.
const fn is_burst(batch: u64) -> bool {
    batch % (STEADY_BATCHES + BURST_BATCHES) >= STEADY_BATCHES
}

/// Returns the time of a batch, in ns since the start.
fn since_start_ns(batch: u64) -> u64 {
    let cycle_ns = STEADY_BATCHES * BATCH_NS + BURST_BATCHES * BURST_BATCH_NS;
    let (cycles, at) =
        (batch / (STEADY_BATCHES + BURST_BATCHES), batch % (STEADY_BATCHES + BURST_BATCHES));
    let (steady, burst) = (at.min(STEADY_BATCHES), at.saturating_sub(STEADY_BATCHES));
    cycles * cycle_ns + steady * BATCH_NS + burst * BURST_BATCH_NS
}

/// Returns true while the shim is unavailable: for a tenth of the batches, starting at the middle.
const fn is_away(batch: u64, batches: u64) -> bool {
    batches / 2 <= batch && batch < batches / 2 + batches / 10
}

fn policy() -> serde_json::Value {
    json!({
        "version": 1,
        "shim": { "cluster": "tollgate", "timeout": "50ms" },
        "keys": { "user": { "header": "x-user", "otherwise": "client" }, "client": { "client_ip": {} } },
        "buckets": {
            "fair": { "key": "user", "limit": 10, "window": "1m", "on_failure": "local", "refund": ["server_error"] },
            "hot": { "key": "user", "limit": 5_000, "window": "1m", "on_failure": "allow" },
        },
        "rules": [
            { "match": { "paths": ["/hot"] }, "charge": ["hot"] },
            { "charge": ["fair"] },
        ],
    })
}

/// Runs a batch: requests, the shim's replies, responses.
fn run_batch(vm: &mut Vm, process: &Process, batch: u64, is_away: bool) {
    process.set_time_ns(START_NS + since_start_ns(batch));
    let streams: Vec<u32> = (0..BATCH).map(|at| open(vm, batch * BATCH + at)).collect();
    vm.run_wakes();
    for (at, stream) in streams.iter().enumerate() {
        if (batch * BATCH + at as u64).is_multiple_of(LEAVES_ONE_IN) {
            vm.end(*stream);
        }
    }
    answer_calls(vm, batch, is_away);
    for stream in streams {
        let status = if stream.is_multiple_of(7) { "503" } else { "200" };
        vm.response(stream, Headers::of([(":status", status)]), true);
        vm.end(stream);
    }
    vm.run_wakes();
    answer_calls(vm, batch, is_away);
    vm.run_ticks();
    answer_calls(vm, batch, is_away);
}

fn open(vm: &mut Vm, number: u64) -> u32 {
    // Spreads requests over all keys; each key recurs after a million requests.
    let (path, user) = if is_burst(number / BATCH) {
        ("/hot", number % HOT_KEYS)
    } else {
        ("/", number.wrapping_mul(7_919) % KEYS)
    };
    let user = user.to_string();
    let headers =
        Headers::of([(":method", "GET"), (":path", path), (":authority", "a"), ("x-user", &user)]);
    vm.open(Request { headers, is_end: true, ..Request::default() })
}

fn answer_calls(vm: &mut Vm, batch: u64, is_away: bool) {
    for event in vm.take_events() {
        let Event::Callout(call) = event else { continue };
        let fate = match call.headers.get(b":path") {
            _ if is_away => Fate::Refused,
            Some(b"/v1/decide") if batch.is_multiple_of(FAILS_ONE_IN) => Fate::TimedOut,
            Some(b"/v1/decide") => replied(decisions(&call.body)),
            _ => replied("{}".to_owned()),
        };
        vm.answer_callout(call.token, fate);
    }
}

fn replied(body: String) -> Fate {
    let headers = Headers::of([(":status", "200"), ("tollgate-version", "1")]);
    Fate::Replied(Reply { headers, body: body.into_bytes(), ..Reply::default() })
}

/// Builds decisions that deny every fifth request for a cold key and grant every requested lease.
fn decisions(body: &[u8]) -> String {
    let body: DecideBody = serde_json::from_slice(body).unwrap_or(DecideBody { requests: vec![] });
    let decision = |(at, request): (usize, &limits::wire::Request)| {
        let charge = request.charges.first();
        let wants_lease = charge.is_some_and(|charge| charge.lease.is_some());
        let is_hot = charge.is_some_and(|charge| charge.quota.limit() == 5_000);
        let (admitted, limit, left, wait_ms) = match (is_hot, at.is_multiple_of(5)) {
            (true, _) => (true, 5_000, 4_000, 0),
            (false, true) => (false, 10, 0, 30_000),
            (false, false) => (true, 10, 9, 0),
        };
        let lease = if wants_lease {
            format!(r#","lease":{{"granted":{GRANTED},"lease_ms":{LEASE_MS}}}"#)
        } else {
            String::new()
        };
        format!(
            r#"{{"id":"1790000000000-a-{at}","admitted":{admitted},"retry_after_ms":{wait_ms},"charges":[{{"admitted":{admitted},"limit":{limit},"remaining":{left},"reset_ms":30000,"retry_after_ms":{wait_ms}{lease}}}]}}"#
        )
    };
    let decisions: Vec<_> = body.requests.iter().enumerate().map(decision).collect();
    format!(r#"{{"now_ms":1790000000000,"decisions":[{}]}}"#, decisions.join(","))
}
