//! Host calls that bypass the `proxy-wasm` crate, and why.
//!
//! - **A message's headers**: `get_map_bytes` makes two allocations per header. It panics on a name
//!   that is not UTF-8, and when Envoy reports that there are no headers. Here, all headers stay in
//!   the single block of memory that Envoy wrote them to ([`Headers`]).
//! - **Properties**: `get_property` splits its path, so each read allocates twice. It also returns
//!   `None` for a claim that is present but empty.
//! - **The filter state**: `set_property` allocates as often. It panics if the stream has ended, or
//!   if another plugin has declared the name read-only.
//! - **An answer**: `send_http_response` has no gRPC status, and `send_grpc_response` says HTTP 200
//!   even where Envoy does not answer in gRPC's form. Both panic on an error.
//!
//! Requests and refusals make these calls. All others go through the crate. Envoy answers them with
//! statuses that the crate returns as errors (unknown clusters, lost races on shared data, ended
//! streams).
//!
//! # Source
//! <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>; for the statuses, Envoy's
//! `source/extensions/common/wasm/context.cc` and proxy-wasm-cpp-host's `src/exports.cc`.

#![expect(unsafe_code, reason = "Envoy's functions take pointers")]

use crate::headers::{self, Headers};
use proxy_wasm::types::MapType;
use std::ptr;

/// Success. Any other number is an error code.
const OK: u32 = 0;
/// The property does not exist.
const NOT_FOUND: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: MapType, data: *mut *mut u8, size: *mut usize) -> u32;
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
}

/// Reads all headers of a message. This costs no more than reading only `:path`. It costs far less
/// than reading a header for which Envoy keeps no pointer, because Envoy then builds a map of all.
pub(crate) fn headers(map: MapType) -> Option<Headers> {
    // SAFETY: see `answer`.
    answer(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) }).map(Headers::new)
}

/// Reads a property. `path`: its names, separated by NULs.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: see `answer`; Envoy reads the path only during the call.
    answer(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Returns true if a property exists. Envoy cannot encode some, for example a payload that has a
/// claim with the value null.
pub(crate) fn has_property(path: &str) -> bool {
    // SAFETY: see `answer`; Envoy reads the path only during the call.
    let read = |data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) };
    asked(read).err() != Some(NOT_FOUND)
}

/// Sets a property. A single name sets the stream's filter state.
///
/// # Errors
/// Fails with the ABI's status code.
pub(crate) fn set_property(path: &str, value: &[u8]) -> Result<(), u32> {
    // SAFETY: Envoy reads both only during the call.
    let status =
        unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
    if status == OK { Ok(()) } else { Err(status) }
}

/// Answers the effective stream with an HTTP status, and with a gRPC status if Envoy takes the
/// request for a gRPC one.
///
/// # Errors
/// Fails with the ABI's status code.
pub(crate) fn send_local_response<'a>(
    status: u16,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: &[u8],
    grpc_status: i32,
) -> Result<(), u32> {
    let headers = headers::encode(headers);
    // SAFETY: Envoy reads the body and the headers only during the call; there are no details.
    let status = unsafe {
        proxy_send_local_response(
            status.into(),
            ptr::null(),
            0,
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    };
    if status == OK { Ok(()) } else { Err(status) }
}

/// Returns the bytes that Envoy wrote in response to `ask`; empty if it wrote none.
fn answer(ask: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    asked(ask).ok()
}

/// Like [`answer`], with the ABI's status code if that is not [`OK`].
fn asked(ask: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, u32> {
    let (mut data, mut size) = (ptr::null_mut::<u8>(), 0);
    match ask(&raw mut data, &raw mut size) {
        OK => {}
        status => return Err(status),
    }
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: Envoy has written `size` bytes to memory that it got from the crate's `malloc`, which
    // is a vector of this capacity, and keeps no pointer to it.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}
