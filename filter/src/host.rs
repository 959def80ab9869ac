//! Envoy's functions as this plugin uses them: bytes in and out. What comes back as an error is
//! logged, or means that there is nothing.

use crate::abi::{self, Headers, Metric, Pairs, Status};
use limits::gate::{Answer, Call, CallKind, MetricKind, SharedData};
use limits::wire;

/// Where the decision is left for the access log: `%FILTER_STATE(wasm.tollgate:PLAIN)%`.
const FILTER_STATE: &str = "tollgate";

/// Envoy's clock, in Unix µs.
pub(crate) fn now_us() -> u64 {
    abi::now_ns().unwrap_or(0) / 1_000
}

/// Envoy's shared data: the same for all workers of the process.
pub(crate) struct Process;

impl SharedData for Process {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        abi::shared_data(name).ok()
    }

    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        abi::set_shared_data(name, value, version).is_ok()
    }
}

/// None where there are none.
pub(crate) fn headers(headers: Headers) -> Pairs {
    abi::headers(headers).unwrap_or_default()
}

pub(crate) fn set_response_header(name: &str, value: &str) {
    tell("set a response header", abi::set_header(Headers::Response, name, value));
}

/// `path`: its names, with a 0 between them.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    abi::property(path).ok()
}

/// Leaves the decision for the access log.
pub(crate) fn set_summary(summary: &str) {
    tell("set the filter state", abi::set_property(FILTER_STATE, summary.as_bytes()));
}

/// Answers the stream whose context is the effective one.
pub(crate) fn answer(answer: &Answer) {
    set_summary(&answer.summary);
    let headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = abi::respond(u32::from(answer.status), &headers, &answer.body);
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
    if !call.body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    let timeout_ms = u32::try_from(call.timeout_ms).unwrap_or(u32::MAX);
    abi::call(cluster, &headers, &call.body, timeout_ms)
}

/// A metric of Envoy's.
pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Option<u32> {
    let kind = match kind {
        MetricKind::Counter => Metric::Counter,
        MetricKind::Gauge => Metric::Gauge,
        MetricKind::Histogram => Metric::Histogram,
    };
    abi::define_metric(kind, name).ok()
}

pub(crate) fn add_to_metric(kind: MetricKind, id: u32, amount: i64) {
    let done = match kind {
        MetricKind::Counter | MetricKind::Gauge => abi::add_to_metric(id, amount),
        MetricKind::Histogram => abi::record_metric(id, amount.unsigned_abs()),
    };
    tell("add to a metric", done);
}

/// Logs what Envoy refused; there is nothing else to be done about it.
pub(crate) fn tell(what: &str, done: Result<(), Status>) {
    if let Err(status) = done {
        log::warn!("tollgate: could not {what}: {status:?}");
    }
}
