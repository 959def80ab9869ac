//! Envoy's functions: bytes in and out. None panics, whatever the status.

#![allow(unsafe_code, reason = "Envoy's functions take pointers")]

use super::memory;
use super::pairs::{self, Pairs};
use std::ptr;

/// Why Envoy did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// There is none.
    NotFound,
    /// No such stream, cluster or kind.
    BadArgument,
    /// The value has changed since it was read.
    CasMismatch,
    /// Any other, by the ABI's number.
    Other(u32),
}

/// Whose headers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Headers {
    Request = 0,
    Response = 2,
    /// Of the reply to a call.
    Reply = 6,
}

/// Which piece of memory.
#[derive(Debug, Clone, Copy)]
enum Buffer {
    ReplyBody = 4,
    PluginConfiguration = 7,
}

/// How a metric adds up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Metric {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// `StreamType::HttpRequest`.
const REQUEST: u32 = 0;
/// `StreamType::Downstream`.
const CONNECTION: u32 = 2;
/// No gRPC status.
const NO_GRPC: i32 = -1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        most: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(headers: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        headers: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_register_shared_queue(name: *const u8, name_size: usize, queue: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, value: *const u8, value_size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_continue_stream(kind: u32) -> u32;
    fn proxy_close_stream(kind: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_done() -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, amount: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

fn done_as(status: u32) -> Result<(), Status> {
    match status {
        0 => Ok(()),
        1 => Err(Status::NotFound),
        2 => Err(Status::BadArgument),
        8 => Err(Status::CasMismatch),
        other => Err(Status::Other(other)),
    }
}

/// The bytes that `ask` has Envoy put somewhere.
fn answer(ask: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    done_as(ask(&raw mut data, &raw mut size))?;
    Ok(memory::taken(data, size))
}

/// The number that `ask` has Envoy put somewhere.
fn number(ask: impl FnOnce(*mut u32) -> u32) -> Result<u32, Status> {
    let mut number = 0;
    done_as(ask(&raw mut number))?;
    Ok(number)
}

// SAFETY, of every call below: pointers and sizes are those of slices that live for as long as the
// call takes, or of places on our stack; Envoy keeps none of them.

/// Writes a line into Envoy's log. There is nothing to be done where it cannot.
pub(crate) fn log(level: log::Level, text: &str) {
    let level = match level {
        log::Level::Trace => 0,
        log::Level::Debug => 1,
        log::Level::Info => 2,
        log::Level::Warn => 3,
        log::Level::Error => 4,
    };
    let _ = unsafe { proxy_log(level, text.as_ptr(), text.len()) };
}

/// Unix time, in ns. Envoy has none before the VM has started.
pub(crate) fn now_ns() -> Result<u64, Status> {
    let mut time = 0;
    done_as(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

/// Has the root context's tick called that often; never, for 0.
pub(crate) fn set_tick_period(period_ms: u32) -> Result<(), Status> {
    done_as(unsafe { proxy_set_tick_period_milliseconds(period_ms) })
}

/// The plugin's configuration, of this `size`, while it is configured.
pub(crate) fn plugin_configuration(size: usize) -> Result<Vec<u8>, Status> {
    buffer(Buffer::PluginConfiguration, size)
}

/// `most` bytes of a reply's body, in the callback that brings it: no more than there are.
pub(crate) fn reply_body(most: usize) -> Result<Vec<u8>, Status> {
    buffer(Buffer::ReplyBody, most)
}

fn buffer(buffer: Buffer, most: usize) -> Result<Vec<u8>, Status> {
    answer(|data, size| unsafe { proxy_get_buffer_bytes(buffer as u32, 0, most, data, size) })
}

/// All of them. One call for all costs no more than one for `:path` alone, and far less than one
/// for any header that Envoy keeps no pointer to: for the first such it makes itself a map of all.
pub(crate) fn headers(headers: Headers) -> Result<Pairs, Status> {
    let pairs =
        answer(|data, size| unsafe { proxy_get_header_map_pairs(headers as u32, data, size) });
    pairs.map(Pairs::new)
}

/// Sets a header, in place of what it was.
pub(crate) fn set_header(headers: Headers, name: &str, value: &str) -> Result<(), Status> {
    let (name, name_size, size) = (name.as_ptr(), name.len(), value.len());
    done_as(unsafe {
        proxy_replace_header_map_value(headers as u32, name, name_size, value.as_ptr(), size)
    })
}

/// A property. `path`: its names, with a 0 between them.
pub(crate) fn property(path: &str) -> Result<Vec<u8>, Status> {
    answer(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets one: with a single name it is the stream's filter state.
pub(crate) fn set_property(path: &str, value: &[u8]) -> Result<(), Status> {
    let size = value.len();
    done_as(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), size) })
}

/// A value of the process's shared data, and its version.
pub(crate) fn shared_data(key: &str) -> Result<(Vec<u8>, u32), Status> {
    let mut version = 0;
    let value = answer(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version)
    })?;
    Ok((value, version))
}

/// Writes one: if its version is this still; whatever it is, for `None`.
pub(crate) fn set_shared_data(key: &str, value: &[u8], version: Option<u32>) -> Result<(), Status> {
    let (size, version) = (value.len(), version.unwrap_or(0));
    done_as(unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), size, version)
    })
}

/// A queue of this VM's: what is put into it has its root context called.
pub(crate) fn register_queue(name: &str) -> Result<u32, Status> {
    number(|queue| unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), queue) })
}

pub(crate) fn enqueue(queue: u32, value: &[u8]) -> Result<(), Status> {
    done_as(unsafe { proxy_enqueue_shared_queue(queue, value.as_ptr(), value.len()) })
}

pub(crate) fn dequeue(queue: u32) -> Result<Vec<u8>, Status> {
    answer(|data, size| unsafe { proxy_dequeue_shared_queue(queue, data, size) })
}

/// Lets the paused request of the effective context go on.
pub(crate) fn resume_request() -> Result<(), Status> {
    done_as(unsafe { proxy_continue_stream(REQUEST) })
}

/// Closes the connection of the network filter whose callback is running.
pub(crate) fn close_connection() -> Result<(), Status> {
    done_as(unsafe { proxy_close_stream(CONNECTION) })
}

/// Answers the request of the effective context.
pub(crate) fn respond(status: u32, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Status> {
    let headers = pairs::written(headers);
    let (none, size) = (ptr::null(), headers.len());
    done_as(unsafe {
        let body_size = body.len();
        let headers = headers.as_ptr();
        proxy_send_local_response(status, none, 0, body.as_ptr(), body_size, headers, size, NO_GRPC)
    })
}

/// Calls `cluster`; the reply comes to the active context, with the token that this gives.
pub(crate) fn call(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout_ms: u32,
) -> Result<u32, Status> {
    let (headers, trailers) = (pairs::written(headers), pairs::written(&[]));
    number(|token| unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            token,
        )
    })
}

/// Makes what is done next be done for this context.
pub(crate) fn set_effective_context(context: u32) -> Result<(), Status> {
    done_as(unsafe { proxy_set_effective_context(context) })
}

/// Says that the root context, which was not done when asked, is done now.
pub(crate) fn done() -> Result<(), Status> {
    done_as(unsafe { proxy_done() })
}

pub(crate) fn define_metric(kind: Metric, name: &str) -> Result<u32, Status> {
    number(|id| unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), id) })
}

/// Adds to a counter or gauge.
pub(crate) fn add_to_metric(id: u32, amount: i64) -> Result<(), Status> {
    done_as(unsafe { proxy_increment_metric(id, amount) })
}

/// A value more of a histogram.
pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    done_as(unsafe { proxy_record_metric(id, value) })
}
