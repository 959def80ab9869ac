//! Envoy's functions as this plugin uses them. Errors are logged, or mean that the value does not
//! exist.

use crate::direct;
use limits::gate::{Answer, Call, CallKind, MetricKind, SharedData};
use limits::wire;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{MapType, MetricType, Status};
use std::fmt::Debug;
use std::time::{Duration, UNIX_EPOCH};

/// The filter state that holds the decision for the access log:
/// `%FILTER_STATE(wasm.tollgate:PLAIN)%`.
const FILTER_STATE: &str = "tollgate";

/// Returns Envoy's time, in Unix µs.
pub(crate) fn now_us() -> u64 {
    let now = hostcalls::get_current_time().unwrap_or(UNIX_EPOCH);
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
}

/// Envoy's shared data, common to all workers of the process.
pub(crate) struct Process;

impl SharedData for Process {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        let (value, version) = hostcalls::get_shared_data(name).ok()?;
        Some((value?, version?))
    }

    fn write(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        hostcalls::set_shared_data(name, Some(value), version).is_ok()
    }
}

pub(crate) fn set_response_header(name: &str, value: &str) {
    log_failure(
        "set a response header",
        hostcalls::set_map_value(MapType::HttpResponseHeaders, name, Some(value)),
    );
}

pub(crate) fn remove_response_header(name: &str) {
    log_failure(
        "remove a response header",
        hostcalls::set_map_value(MapType::HttpResponseHeaders, name, None),
    );
}

/// Stores the decision for the access log.
pub(crate) fn set_summary(summary: &str) {
    log_failure("set the filter state", direct::set_property(FILTER_STATE, summary.as_bytes()));
}

/// Answers the stream whose context is the effective one. `is_grpc`: its content type is gRPC's.
///
/// Envoy decides whether the answer takes gRPC's form: HTTP 200, with `grpc-status`, and the body as
/// `grpc-message`. A filter before this one can have changed the content type that this looks at,
/// so the answer has the true HTTP status and the gRPC status.
pub(crate) fn answer(answer: &Answer, is_grpc: bool) {
    let headers = answer.headers.iter().filter(|(name, _)| !is_grpc || name != "content-type");
    let body = if is_grpc { answer.detail.as_bytes() } else { &answer.body };
    let sent = direct::send_local_response(
        answer.status,
        headers.map(|(name, value)| (name.as_ref(), value.as_str())),
        body,
        answer.grpc_status,
    );
    log_failure("answer a request", sent);
}

/// Calls the shim. The reply is delivered to the active context.
pub(crate) fn call(cluster: &str, authority: &str, call: &Call) -> Result<u32, Status> {
    let (method, path) = match call.kind {
        CallKind::Decide => ("POST", wire::DECIDE_PATH),
        CallKind::Settle => ("POST", wire::SETTLE_PATH),
        CallKind::Probe => ("GET", wire::HEALTH_PATH),
    };
    let mut headers = vec![(":method", method), (":path", path), (":authority", authority)];
    headers.extend(call.headers.iter().map(|(name, value)| (*name, value.as_str())));
    if !call.body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    let timeout = Duration::from_millis(call.timeout_ms);
    hostcalls::dispatch_http_call(cluster, headers, Some(&call.body), Vec::new(), timeout)
}

/// Defines a metric in Envoy's statistics, and returns its id.
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
    log_failure("add to a metric", done);
}

/// Logs a failed host call. `action`: what was attempted.
pub(crate) fn log_failure(action: &str, result: Result<(), impl Debug>) {
    if let Err(status) = result {
        log::warn!("tollgate: could not {action}: {status:?}");
    }
}
