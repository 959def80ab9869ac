//! The structures of the interface, and the module's hooks.

use std::ffi::{c_char, c_void};

/// A slice, owned by the side that passes it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buffer {
    start: *const u8,
    length: usize,
}

/// A header, owned by the side that passes it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) name: Buffer,
    pub(crate) value: Buffer,
}

impl Buffer {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { start: bytes.as_ptr(), length: bytes.len() }
    }

    /// Copies the bytes.
    ///
    /// # Safety
    /// The module must have passed the buffer to the callback that is running.
    pub(crate) unsafe fn copy(self) -> Vec<u8> {
        // SAFETY: see above.
        unsafe { copied(self.start, self.length) }.to_vec()
    }
}

/// Returns the items that the module passed to the callback that is running.
///
/// # Safety
/// `start` must point to `length` items, unless `length` is 0.
pub(crate) unsafe fn copied<'a, T>(start: *const T, length: usize) -> &'a [T] {
    if length == 0 {
        return &[];
    }
    // SAFETY: see above.
    unsafe { std::slice::from_raw_parts(start, length) }
}

/// Returns the headers that the module passed to the callback that is running.
///
/// # Safety
/// As [`copied`], and for each header's buffers as [`Buffer::copy`].
pub(crate) unsafe fn headers(start: *const Header, length: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    // SAFETY: see above.
    unsafe {
        let pair = |header: &Header| (header.name.copy(), header.value.copy());
        copied(start, length).iter().map(pair).collect()
    }
}

// The hooks that this model calls.
unsafe extern "C" {
    pub(crate) fn envoy_dynamic_module_on_program_init() -> *const c_char;
    pub(crate) fn envoy_dynamic_module_on_http_filter_config_new(
        envoy: *mut c_void,
        name: Buffer,
        text: Buffer,
    ) -> *const c_void;
    pub(crate) fn envoy_dynamic_module_on_http_filter_config_destroy(module: *const c_void);
    pub(crate) fn envoy_dynamic_module_on_http_filter_config_scheduled(
        envoy: *mut c_void,
        module: *const c_void,
        event: u64,
    );
    pub(crate) fn envoy_dynamic_module_on_http_filter_new(
        configuration: *const c_void,
        envoy: *mut c_void,
    ) -> *const c_void;
    pub(crate) fn envoy_dynamic_module_on_http_filter_request_headers(
        envoy: *mut c_void,
        module: *const c_void,
        is_end: bool,
    ) -> u32;
    pub(crate) fn envoy_dynamic_module_on_http_filter_scheduled(
        envoy: *mut c_void,
        module: *const c_void,
        event: u64,
    );
    pub(crate) fn envoy_dynamic_module_on_http_filter_response_headers(
        envoy: *mut c_void,
        module: *const c_void,
        is_end: bool,
    ) -> u32;
    pub(crate) fn envoy_dynamic_module_on_http_filter_response_trailers(
        envoy: *mut c_void,
        module: *const c_void,
    ) -> u32;
    pub(crate) fn envoy_dynamic_module_on_http_filter_stream_complete(
        envoy: *mut c_void,
        module: *const c_void,
    );
    pub(crate) fn envoy_dynamic_module_on_http_filter_destroy(module: *const c_void);
    pub(crate) fn envoy_dynamic_module_on_network_filter_config_new(
        envoy: *mut c_void,
        name: Buffer,
        text: Buffer,
    ) -> *const c_void;
    pub(crate) fn envoy_dynamic_module_on_network_filter_config_destroy(module: *const c_void);
    pub(crate) fn envoy_dynamic_module_on_network_filter_new(
        configuration: *const c_void,
        envoy: *mut c_void,
    ) -> *const c_void;
    pub(crate) fn envoy_dynamic_module_on_network_filter_new_connection(
        envoy: *mut c_void,
        module: *const c_void,
    ) -> u32;
    pub(crate) fn envoy_dynamic_module_on_network_filter_event(
        envoy: *mut c_void,
        module: *const c_void,
        event: u32,
    );
    pub(crate) fn envoy_dynamic_module_on_network_filter_destroy(module: *const c_void);
}
