//! Envoy's functions. Their contracts are in `abi.h`.

use super::types::{Buffer, Envoy, Header};
use std::ffi::c_void;

// A C enum is an `int`, and C's `bool` is Rust's. `size_t` is `usize`.
unsafe extern "C" {
    // New in 1.40. Earlier versions have faults that a module cannot avoid, and do not load one that
    // needs this function.
    pub(super) fn envoy_dynamic_module_callback_log_v2(
        level: u32,
        line: Buffer,
        source_file: Buffer,
        source_line: u32,
    );
    pub(super) fn envoy_dynamic_module_callback_is_validation_mode() -> bool;

    pub(super) fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: Envoy,
        name: Buffer,
        labels: *const Buffer,
        labels_length: usize,
        id: *mut usize,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
        config: Envoy,
        name: Buffer,
        labels: *const Buffer,
        labels_length: usize,
        id: *mut usize,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_define_histogram(
        config: Envoy,
        name: Buffer,
        labels: *const Buffer,
        labels_length: usize,
        id: *mut usize,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
        config: Envoy,
        id: usize,
        labels: *const Buffer,
        labels_length: usize,
        value: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_increment_gauge(
        config: Envoy,
        id: usize,
        labels: *const Buffer,
        labels_length: usize,
        value: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_decrement_gauge(
        config: Envoy,
        id: usize,
        labels: *const Buffer,
        labels_length: usize,
        value: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_record_histogram_value(
        config: Envoy,
        id: usize,
        labels: *const Buffer,
        labels_length: usize,
        value: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
        config: Envoy,
    ) -> *mut c_void;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
        scheduler: *mut c_void,
        event: u64,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(
        scheduler: *mut c_void,
    );

    pub(super) fn envoy_dynamic_module_callback_network_filter_config_define_counter(
        config: Envoy,
        name: Buffer,
        id: *mut usize,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_network_filter_increment_counter(
        connection: Envoy,
        id: usize,
        value: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_network_filter_get_remote_address(
        connection: Envoy,
        address: *mut Buffer,
        port: *mut u32,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_network_filter_close_with_details(
        connection: Envoy,
        kind: u32,
        details: Buffer,
    );

    pub(super) fn envoy_dynamic_module_callback_http_get_headers_size(
        stream: Envoy,
        kind: u32,
    ) -> usize;
    pub(super) fn envoy_dynamic_module_callback_http_get_headers(
        stream: Envoy,
        kind: u32,
        headers: *mut Header,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_set_header(
        stream: Envoy,
        kind: u32,
        name: Buffer,
        value: Buffer,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_send_response(
        stream: Envoy,
        status: u32,
        headers: *const Header,
        headers_length: usize,
        body: Buffer,
        details: Buffer,
    );
    pub(super) fn envoy_dynamic_module_callback_http_send_response_headers(
        stream: Envoy,
        headers: *const Header,
        headers_length: usize,
        is_end: bool,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        stream: Envoy,
        attribute: u32,
        value: *mut Buffer,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_get_filter_state_bytes(
        stream: Envoy,
        name: Buffer,
        value: *mut Buffer,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
        stream: Envoy,
        name: Buffer,
        value: Buffer,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_get_filter_state_object(
        stream: Envoy,
        name: Buffer,
    ) -> *mut c_void;
    pub(super) fn envoy_dynamic_module_callback_http_set_filter_state_object(
        stream: Envoy,
        name: Buffer,
        object: *mut c_void,
        destructor: unsafe extern "C" fn(*mut c_void),
        life_span: u32,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_filter_continue_decoding(stream: Envoy);
    pub(super) fn envoy_dynamic_module_callback_http_filter_scheduler_new(
        stream: Envoy,
    ) -> *mut c_void;
    pub(super) fn envoy_dynamic_module_callback_http_filter_scheduler_commit(
        scheduler: *mut c_void,
        event: u64,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_scheduler_delete(
        scheduler: *mut c_void,
    );
}
