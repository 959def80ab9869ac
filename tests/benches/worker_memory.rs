//! The memory of a worker over ten million requests with a million keys: the shipped `.wasm` in the
//! wasmtime host, virtual time, a thousand requests a virtual second in batches, a share of them
//! denied, left by their clients, or failed by the shim.
//!
//! `cargo bench -p tests --bench worker_memory --profile dev [-- REQUESTS]`

use anyhow::{Context, Result, ensure};
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
const START_NS: u64 = 1_790_000_000_000_000_000;
/// Of the shim's replies, one in so many is none.
const FAILS_ONE_IN: u64 = 500;
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
        turn(&mut vm, &process, batch);
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
    ensure!((1..requests / 100).contains(&degraded), "too many or none went without the ledger");
    Ok(())
}

fn policy() -> serde_json::Value {
    json!({
        "version": 1,
        "shim": { "cluster": "tollgate", "timeout": "50ms" },
        "keys": { "user": { "header": "x-user", "otherwise": "client" }, "client": { "client_ip": {} } },
        "buckets": { "fair": { "key": "user", "limit": 10, "window": "1m", "refund": ["server_error"] } },
        "rules": [{ "charge": ["fair"] }],
    })
}

/// A batch of requests, the shim's reply, the responses.
fn turn(vm: &mut Vm, process: &Process, batch: u64) {
    process.set_time_ns(START_NS + batch * BATCH_NS);
    let streams: Vec<u32> = (0..BATCH).map(|at| open(vm, batch * BATCH + at)).collect();
    vm.run_wakes();
    for (at, stream) in streams.iter().enumerate() {
        if (batch * BATCH + at as u64).is_multiple_of(LEAVES_ONE_IN) {
            vm.end(*stream);
        }
    }
    answer_calls(vm, batch);
    for stream in streams {
        let status = if stream.is_multiple_of(7) { "503" } else { "200" };
        vm.response(stream, Headers::of([(":status", status)]), true);
        vm.end(stream);
    }
    vm.run_wakes();
    answer_calls(vm, batch);
    vm.run_ticks();
    answer_calls(vm, batch);
}

fn open(vm: &mut Vm, number: u64) -> u32 {
    // Spread over all keys, each again after a million.
    let user = (number.wrapping_mul(7_919) % KEYS).to_string();
    let headers =
        Headers::of([(":method", "GET"), (":path", "/"), (":authority", "a"), ("x-user", &user)]);
    vm.open(Request { headers, is_end: true, ..Request::default() })
}

fn answer_calls(vm: &mut Vm, batch: u64) {
    for event in vm.take_events() {
        let Event::Callout(call) = event else { continue };
        let fate = match call.headers.get(b":path") {
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

/// Every fifth request is denied.
fn decisions(body: &[u8]) -> String {
    let count = body.windows(9).filter(|part| *part == b"\"charges\"").count();
    let decision = |at: usize| {
        let (admitted, left, wait_ms) =
            if at.is_multiple_of(5) { (false, 0, 30_000) } else { (true, 9, 0) };
        format!(
            r#"{{"id":"1790000000000-a-{at}","admitted":{admitted},"retry_after_ms":{wait_ms},"charges":[{{"admitted":{admitted},"limit":10,"remaining":{left},"reset_ms":30000,"retry_after_ms":{wait_ms}}}]}}"#
        )
    };
    let decisions: Vec<_> = (0..count).map(decision).collect();
    format!(r#"{{"now_ms":1790000000000,"decisions":[{}]}}"#, decisions.join(","))
}
