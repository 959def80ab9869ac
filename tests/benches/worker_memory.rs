//! The memory of a worker over ten million requests with a million keys: the shipped `.wasm` in the
//! wasmtime host, virtual time, a thousand requests a virtual second in batches, a share of them
//! denied, left by their clients, or failed by the shim. A third of them come in bursts, for keys of
//! which parts are then leased. For a tenth of the requests, in the middle, the shim is away: what
//! is then counted in the shared data fills its pages.
//!
//! `cargo bench -p tests --bench worker_memory --profile dev [-- REQUESTS]`
//!
//! With fewer than half a million the outage may meet nothing but a burst, and no page fills.

use anyhow::{Context, Result, ensure};
use limits::wire::DecideBody;
use proxy_wasm_host::callout::{Fate, Reply};
use proxy_wasm_host::event::Event;
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::plugin::Plugin;
use proxy_wasm_host::process::{Cluster, Process};
use proxy_wasm_host::vm::{Options, Request, Vm};
use serde_json::json;
use tests::gateway::filter;

const REQUESTS: u64 = 10_000_000;
const KEYS: u64 = 1_000_000;
/// So many requests gather for one call.
const BATCH: u64 = 50;
/// A batch takes so long.
const BATCH_NS: u64 = 50_000_000;
/// Tables full and buffers grown: what it must never pass.
const MAX_BYTES: usize = 8 << 20;
/// What the shared data may hold: the pages of the local counters, and a few words more.
const MAX_PAGES: usize = 1_100;
const MAX_SHARED_BYTES: usize = 4 << 20;
/// What they hold when most are full: 16 counters of some sixty bytes each.
const FILLED_BYTES: usize = 512 << 10;
const START_NS: u64 = 1_790_000_000_000_000_000;
/// Of the shim's replies, one in so many is none.
const FAILS_ONE_IN: u64 = 500;
/// After so many batches there is a burst of so many, a hundred times as fast: all of it is of keys
/// in demand.
const STEADY_BATCHES: u64 = 1_600;
const BURST_BATCHES: u64 = 800;
const BURST_BATCH_NS: u64 = 500_000;
/// Keys in demand: more than there is room for, each asked for some 36 times in a burst of 400 ms.
const HOT_KEYS: u64 = 1_100;
/// How much of a counter is leased at once, and for how long.
const GRANTED: u64 = 8;
const LEASE_MS: u64 = 460;
/// Of the requests, one in so many is left by its client while it waits.
const LEAVES_ONE_IN: u64 = 31;

fn main() -> Result<()> {
    // cargo bench adds `--bench`.
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let requests =
        wanted.map_or(Ok(REQUESTS), |text| text.parse()).context("a number of requests")?;
    let plugin = Plugin::compile(&std::fs::read(filter())?)?;
    let process = Process::new(START_NS, [("tollgate", Cluster::Hosts)]);
    let configuration = serde_json::to_vec(&policy())?;
    let mut vm = Vm::start(&plugin, &process, &Options { configuration, ..Options::default() })?;
    let mut largest = 0;
    for batch in 0..requests / BATCH {
        turn(&mut vm, &process, batch, is_away(batch, requests / BATCH));
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

/// That it was what it says: most decided by the ledger, a share of them denied.
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
    ensure!(pages <= MAX_PAGES && bytes <= MAX_SHARED_BYTES, "the shared data grows");
    Ok(())
}

/// Whether a batch is one of a burst.
const fn is_burst(batch: u64) -> bool {
    batch % (STEADY_BATCHES + BURST_BATCHES) >= STEADY_BATCHES
}

/// When a batch comes.
fn since_start_ns(batch: u64) -> u64 {
    let cycle_ns = STEADY_BATCHES * BATCH_NS + BURST_BATCHES * BURST_BATCH_NS;
    let (cycles, at) =
        (batch / (STEADY_BATCHES + BURST_BATCHES), batch % (STEADY_BATCHES + BURST_BATCHES));
    let (steady, burst) = (at.min(STEADY_BATCHES), at.saturating_sub(STEADY_BATCHES));
    cycles * cycle_ns + steady * BATCH_NS + burst * BURST_BATCH_NS
}

/// Whether the shim is away: for a tenth of the run's requests, from its middle on.
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

/// A batch of requests, the shim's reply, the responses.
fn turn(vm: &mut Vm, process: &Process, batch: u64, is_away: bool) {
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
    // Spread over all keys, each again after a million.
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

/// Every fifth request is denied, and whoever asks for a lease gets one.
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
