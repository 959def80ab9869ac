//! Envoy's functions as this plugin uses them: bytes in and out. What comes back as an error is
//! logged, or means that there is nothing.
//!
//! # Where the SDK panics
//! The wrappers of proxy-wasm 0.2.5 (`hostcalls.rs`) return the statuses that they expect and panic
//! on any other. Envoy gives none of the others where this plugin calls them:
//!
//! | call | panics on more than | which Envoy does not give, since |
//! |---|---|---|
//! | `get_current_time` | OK | it has a clock; in `_initialize` it has none, and is not asked |
//! | `get_map_value_bytes`, `set_map_value` | OK, not found (get) | a map is asked for only in the callback that brings it |
//! | `get_shared_data`, `set_shared_data` | OK, not found (get), CAS mismatch (set) | it answers nothing else |
//! | `get_property` | OK, not found, serialization failure, internal failure | it answers nothing else |
//! | `set_property` | OK | the stream whose context is the effective one is there, and our filter state is not read-only |
//! | `send_http_response`, `resume_http_request` | OK | as above; a stream is answered or resumed once |
//! | `dispatch_http_call` | OK, bad argument, internal failure | it answers nothing else |
//! | `define_metric` | OK | the three kinds are known to it |
//! | `increment_metric`, `record_metric` | OK, not found, bad argument (increment) | it answers nothing else |
//! | `register_shared_queue` | OK | it answers nothing else |
//! | `enqueue_…`, `dequeue_shared_queue` | OK, not found, empty (dequeue) | it answers nothing else |
//! | `set_effective_context` | OK, bad argument | it answers nothing else |
//!
//! Any of them also has a status for a pointer outside the VM's memory, which the SDK passes none
//! of. Were it to come to a panic after all, Envoy would replace the VM (`FAIL_RELOAD`), and the
//! streams that it had paused would end with `stream_idle_timeout`. That the shipped `.wasm` does
//! not crash is what the simulator, and each test that reads `vm_reload`, see to.

use limits::gate::{Answer, Call, CallKind, MetricKind, SharedData};
use limits::wire;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{MapType, MetricType, Status};
use std::time::{Duration, UNIX_EPOCH};

/// Where the decision is left for the access log: `%FILTER_STATE(wasm.tollgate:PLAIN)%`.
const FILTER_STATE: &str = "tollgate";

/// Envoy's clock, in Unix µs.
pub(crate) fn now_us() -> u64 {
    let since = hostcalls::get_current_time().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_micros()).ok()).unwrap_or(0)
}

/// Envoy's shared data: the same for all workers of the process.
pub(crate) struct Process;

impl SharedData for Process {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        let (bytes, version) = hostcalls::get_shared_data(name).ok()?;
        // Without a version there is nothing; bytes of no length come without a pointer.
        version.map(|version| (bytes.unwrap_or_default(), version))
    }

    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        hostcalls::set_shared_data(name, Some(value), version).is_ok()
    }
}

pub(crate) fn request_header(name: &str) -> Option<Vec<u8>> {
    header(MapType::HttpRequestHeaders, name)
}

pub(crate) fn response_header(name: &str) -> Option<Vec<u8>> {
    header(MapType::HttpResponseHeaders, name)
}

pub(crate) fn reply_header(name: &str) -> Option<Vec<u8>> {
    header(MapType::HttpCallResponseHeaders, name)
}

fn header(map: MapType, name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(map, name).ok().flatten()
}

pub(crate) fn set_response_header(name: &str, value: &str) {
    tell(
        "set a response header",
        hostcalls::set_map_value(MapType::HttpResponseHeaders, name, Some(value)),
    );
}

pub(crate) fn property(path: Vec<&str>) -> Option<Vec<u8>> {
    hostcalls::get_property(path).ok().flatten()
}

/// Leaves the decision for the access log.
pub(crate) fn set_summary(summary: &str) {
    tell(
        "set the filter state",
        hostcalls::set_property(vec![FILTER_STATE], Some(summary.as_bytes())),
    );
}

/// Answers the stream whose context is the effective one.
pub(crate) fn answer(answer: &Answer) {
    set_summary(&answer.summary);
    let headers = answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = hostcalls::send_http_response(u32::from(answer.status), headers, Some(&answer.body));
    tell("answer a request", sent);
}

/// Calls the shim; the reply comes to the context that is active.
pub(crate) fn call(cluster: &str, call: &Call) -> Result<u32, Status> {
    let (method, path) = match call.kind {
        CallKind::Decide => ("POST", wire::DECIDE_PATH),
        CallKind::Settle => ("POST", wire::SETTLE_PATH),
        CallKind::Probe => ("GET", wire::HEALTH_PATH),
    };
    let mut headers = vec![(":method", method), (":path", path), (":authority", cluster)];
    headers.extend(call.headers.iter().map(|(name, value)| (*name, value.as_str())));
    let body = (!call.body.is_empty()).then_some(call.body.as_slice());
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    let timeout = Duration::from_millis(call.timeout_ms);
    hostcalls::dispatch_http_call(cluster, headers, body, Vec::new(), timeout)
}

/// A metric of Envoy's.
pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Option<u32> {
    let kind = match kind {
        MetricKind::Counter => MetricType::Counter,
        MetricKind::Gauge => MetricType::Gauge,
        MetricKind::Histogram => MetricType::Histogram,
    };
    hostcalls::define_metric(kind, name).ok()
}

pub(crate) fn add_to_metric(kind: MetricKind, id: u32, amount: i64) {
    let done = match kind {
        MetricKind::Counter | MetricKind::Gauge => hostcalls::increment_metric(id, amount),
        MetricKind::Histogram => hostcalls::record_metric(id, amount.unsigned_abs()),
    };
    tell("add to a metric", done);
}

/// Logs what Envoy refused; there is nothing else to be done about it.
pub(crate) fn tell(what: &str, done: Result<(), Status>) {
    if let Err(status) = done {
        log::warn!("tollgate: could not {what}: {status:?}");
    }
}
