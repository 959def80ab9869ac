//! The host calls that do not go through the `proxy-wasm` crate, and why.
//!
//! - **The headers of a message**: `get_map_bytes` makes two allocations for each header, and it
//!   panics on a name that is not UTF-8 and where Envoy answers that there are no headers. Here all
//!   of them stay in the one piece of memory that Envoy wrote them to ([`Headers`]).
//! - **A property**: `get_property` takes its path apart, so that it allocates twice for each read,
//!   and gives `None` for a claim that is there and empty.
//! - **The filter state**: `set_property` allocates as often, and panics where the stream has gone
//!   and where another plugin has declared the name read-only.
//!
//! Every request makes these calls. All others go through the crate, since Envoy answers them with
//! statuses that the crate gives back as errors (unknown clusters, lost races on shared data,
//! streams that have gone).
//!
//! # Source
//! <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>; for the statuses, Envoy's
//! `source/extensions/common/wasm/context.cc` and proxy-wasm-cpp-host's `src/exports.cc`.

#![expect(unsafe_code, reason = "Envoy's functions take pointers")]

use crate::headers::Headers;
use proxy_wasm::types::MapType;
use std::ptr;

/// Done; any other number says why not.
const OK: u32 = 0;

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
}

/// Reads all headers of a message. One call for all costs no more than one for `:path` alone, and
/// far less than one for any header that Envoy keeps no pointer to: for the first of those it makes
/// itself a map of all.
pub(crate) fn headers(map: MapType) -> Option<Headers> {
    // SAFETY: see `answer`.
    answer(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) }).map(Headers::new)
}

/// Reads a property. `path`: its names, with a 0 between them.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: see `answer`; Envoy reads the path during the call only.
    answer(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets a property; with a single name it is the stream's filter state.
///
/// # Errors
/// The ABI's number of the reason.
pub(crate) fn set_property(path: &str, value: &[u8]) -> Result<(), u32> {
    // SAFETY: Envoy reads both during the call only.
    let status =
        unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
    if status == OK { Ok(()) } else { Err(status) }
}

/// Takes the bytes that `ask` has Envoy put somewhere; empty if it put none.
fn answer(ask: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (ptr::null_mut::<u8>(), 0);
    if ask(&raw mut data, &raw mut size) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: Envoy has written `size` bytes to memory that it got from the crate's `malloc`, which
    // is a vector of this capacity, and keeps no pointer to it.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}
