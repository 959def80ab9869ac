//! Envoy's functions as this plugin uses them: bytes in and out, and no failure that panics.

use limits::gate::{Answer, Call, CallKind};
use limits::wire;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{MapType, Status};
use std::time::{Duration, UNIX_EPOCH};

/// Where the decision is left for the access log: `%FILTER_STATE(wasm.tollgate:PLAIN)%`.
const FILTER_STATE: &str = "tollgate";

/// Envoy's clock, in Unix ms.
pub(crate) fn now_ms() -> u64 {
    let since = hostcalls::get_current_time().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0)
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
    let path = match call.kind {
        CallKind::Decide => wire::DECIDE_PATH,
        CallKind::Settle => wire::SETTLE_PATH,
    };
    let headers = vec![
        (":method", "POST"),
        (":path", path),
        (":authority", cluster),
        ("content-type", "application/json"),
    ];
    let timeout = Duration::from_millis(call.timeout_ms);
    hostcalls::dispatch_http_call(cluster, headers, Some(&call.body), Vec::new(), timeout)
}

/// Logs what Envoy refused; there is nothing else to be done about it.
pub(crate) fn tell(what: &str, done: Result<(), Status>) {
    if let Err(status) = done {
        log::warn!("tollgate: could not {what}: {status:?}");
    }
}
