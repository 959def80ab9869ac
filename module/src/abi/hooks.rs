//! The functions that Envoy calls for the HTTP filter. Each catches panics, which must not unwind into
//! Envoy.

use super::configuration::Configuration;
use super::stream::Stream;
use super::types::{Buffer, Envoy, Header, Module};
use super::{LogLevel, is_validating, log};
use crate::front::Front;
use crate::stream::{Next, Request};
use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::Arc;

/// The version of the interface that this module implements.
const VERSION: &CStr = c"v0.2.0";
const CONTINUE: u32 = 0;
/// Stops the request, and lets its body wait at the client.
const STOP_ALL_AND_WATERMARK: u32 = 4;
/// Stops the request's headers, as after an answer.
const STOP: u32 = 1;

/// Runs a hook. Returns `fallback` if it panics.
fn guarded<T>(fallback: T, hook: impl FnOnce() -> T) -> T {
    super::guarded("a request", fallback, hook)
}

/// Borrows the configuration that `config_new` returned.
///
/// # Safety
/// `configuration` must be that pointer, and not have been destroyed.
unsafe fn front<'a>(configuration: Module) -> Option<&'a Arc<Front>> {
    // SAFETY: see above.
    unsafe { configuration.cast::<Arc<Front>>().as_ref() }
}

/// Borrows the request that `new` returned. Not mutably, since a hook can call Envoy, which then calls
/// another hook of the same stream.
///
/// # Safety
/// `request` must be that pointer, and not have been destroyed.
unsafe fn request<'a>(request: Module) -> Option<&'a Request> {
    // SAFETY: see above. Envoy destroys a stream after its hooks have returned.
    unsafe { request.cast::<Request>().as_ref() }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    guarded(ptr::null(), || {
        crate::log::install();
        VERSION.as_ptr()
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    envoy: Envoy,
    _name: Buffer,
    text: Buffer,
) -> Module {
    guarded(ptr::null(), || {
        // SAFETY: Envoy's arguments live until the hook returns.
        let (mut configuration, text) = unsafe { (Configuration::of(envoy), text.bytes()) };
        match Front::configure(&mut configuration, text, is_validating()) {
            Ok(front) => Box::into_raw(Box::new(front)).cast_const().cast(),
            Err(message) => {
                log(LogLevel::Error, &format!("tollgate: the configuration is refused: {message}"));
                ptr::null()
            }
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(configuration: Module) {
    guarded((), || {
        // SAFETY: the pointer is a box made by `config_new`, and Envoy does not use it again.
        let front = unsafe { Box::from_raw(configuration.cast_mut().cast::<Arc<Front>>()) };
        front.close();
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    envoy: Envoy,
    configuration: Module,
    _event: u64,
) {
    guarded((), || {
        // SAFETY: Envoy calls this only while the configuration exists.
        let (mut own, front) = unsafe { (Configuration::of(envoy), front(configuration)) };
        if let Some(front) = front {
            front.export_metrics(&mut own);
        }
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    configuration: Module,
    _envoy: Envoy,
) -> Module {
    guarded(ptr::null(), || {
        // SAFETY: Envoy calls this only while the configuration exists.
        let Some(front) = (unsafe { front(configuration) }) else { return ptr::null() };
        Box::into_raw(Box::new(Request::new(front))).cast_const().cast()
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    envoy: Envoy,
    own: Module,
    _is_end: bool,
) -> u32 {
    // SAFETY: Envoy's pointers are valid until the hook returns.
    let (mut stream, request) = unsafe { (Stream::of(envoy), request(own)) };
    let Some(request) = request else { return CONTINUE };
    let next = guarded(None, || Some(request.arrives(&mut stream)));
    match next {
        Some(Next::Continue) => CONTINUE,
        Some(Next::Pause) => STOP_ALL_AND_WATERMARK,
        Some(Next::Answered) => STOP,
        None => {
            guarded((), || request.fails(&mut stream));
            STOP
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    envoy: Envoy,
    own: Module,
    _event: u64,
) {
    // SAFETY: Envoy's pointers are valid until the hook returns.
    let (mut stream, request) = unsafe { (Stream::of(envoy), request(own)) };
    let Some(request) = request else { return };
    let is_done = guarded(false, || {
        request.is_woken(&mut stream);
        true
    });
    if !is_done {
        guarded((), || request.fails(&mut stream));
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    envoy: Envoy,
    own: Module,
    _is_end: bool,
) -> u32 {
    guarded((), || {
        // SAFETY: Envoy's pointers are valid until the hook returns.
        let (mut stream, request) = unsafe { (Stream::of(envoy), request(own)) };
        if let Some(request) = request {
            request.response_headers(&mut stream);
        }
    });
    CONTINUE
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_trailers(
    envoy: Envoy,
    own: Module,
) -> u32 {
    guarded((), || {
        // SAFETY: Envoy's pointers are valid until the hook returns.
        let (stream, request) = unsafe { (Stream::of(envoy), request(own)) };
        if let Some(request) = request {
            request.response_trailers(&stream);
        }
    });
    CONTINUE
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(
    envoy: Envoy,
    own: Module,
) {
    guarded((), || {
        // SAFETY: Envoy's pointers are valid until the hook returns.
        let (mut stream, request) = unsafe { (Stream::of(envoy), request(own)) };
        if let Some(request) = request {
            request.ends(Some(&mut stream));
        }
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(own: Module) {
    guarded((), || {
        // SAFETY: the pointer is a box made by `new`, and Envoy does not use it again.
        let request = unsafe { Box::from_raw(own.cast_mut().cast::<Request>()) };
        request.ends(None);
    });
}

// Hooks that Envoy requires and this module has no use for.

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    _envoy: Envoy,
    _own: Module,
    _is_end: bool,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    _envoy: Envoy,
    _own: Module,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_body(
    _envoy: Envoy,
    _own: Module,
    _is_end: bool,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_callout_done(
    _envoy: Envoy,
    _own: Module,
    _callout: u64,
    _result: u32,
    _headers: *mut Header,
    _headers_length: usize,
    _body: *mut Buffer,
    _body_length: usize,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_headers(
    _envoy: Envoy,
    _own: Module,
    _callout: u64,
    _headers: *mut Header,
    _headers_length: usize,
    _is_end: bool,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_data(
    _envoy: Envoy,
    _own: Module,
    _callout: u64,
    _data: *const Buffer,
    _data_length: usize,
    _is_end: bool,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_trailers(
    _envoy: Envoy,
    _own: Module,
    _callout: u64,
    _trailers: *mut Header,
    _trailers_length: usize,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_complete(
    _envoy: Envoy,
    _own: Module,
    _callout: u64,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_reset(
    _envoy: Envoy,
    _own: Module,
    _callout: u64,
    _reason: u32,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(
    _envoy: Envoy,
    _own: Module,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(
    _envoy: Envoy,
    _own: Module,
) {
}
