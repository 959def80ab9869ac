//! Our functions, which Envoy calls. What is not here it does not call: each call of a stream costs
//! it more than what most of them would do.

#![allow(unsafe_code, reason = "exported by their names")]

use crate::log_to_envoy;
use crate::plugin;

/// Says which version of the ABI this is.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    log_to_envoy::begin();
}

/// `parent` is 0 for a root context.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    plugin::with((), |plugin| plugin.created(context, parent));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _configuration_size: usize) -> u32 {
    u32::from(true)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, configuration_size: usize) -> u32 {
    u32::from(plugin::with(false, |plugin| plugin.configure(root, configuration_size)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    plugin::with((), |plugin| plugin.tick(root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(root: u32, queue: u32) {
    plugin::with((), |plugin| plugin.queue_ready(root, queue));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    root: u32,
    token: u32,
    headers: u32,
    body_size: usize,
    _trailers: u32,
) {
    plugin::with((), |plugin| plugin.replied(root, token, headers, body_size));
}

/// 0 lets the connection go on, 1 stops it. Envoy calls this of network filters only, so it costs
/// HTTP streams nothing.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_new_connection(connection: u32) -> u32 {
    u32::from(plugin::with(false, |plugin| plugin.connected(connection)))
}

/// 0 lets the stream go on, 1 pauses it.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(stream: u32, _headers: u32, _ends: u32) -> u32 {
    u32::from(plugin::with(false, |plugin| plugin.request(stream)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(stream: u32, _headers: u32, _ends: u32) -> u32 {
    plugin::with((), |plugin| plugin.response(stream));
    u32::from(false)
}

/// Whether the context is done. It is not called again for a stream, so that is forgotten here;
/// Envoy's other callback for the end, `proxy_on_delete`, would cost each stream a call more.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(context: u32) -> u32 {
    u32::from(plugin::with(true, |plugin| plugin.done(context)))
}
