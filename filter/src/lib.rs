//! Tollgate's Envoy plugin: turns Envoy's callbacks into calls of [`limits::gate::Gate`], and
//! performs the results. It contains no policy, no arithmetic and no request state.
//!
//! It is built on the `proxy-wasm` crate, whose dispatcher calls a context's methods. The build
//! strips the exports of callbacks that no context here implements. A new callback must be listed
//! in `tests/harness/src/wasm/exports.rs`, or Envoy never calls it.
//!
//! Nothing in this crate may panic: a panic hangs every paused stream of its worker. Lints enforce
//! this.

mod configuration;
mod connections;
mod direct;
mod facts;
mod headers;
mod host;
mod metrics;
mod redirect;
mod response;
mod root;
mod shared;
mod stream;
mod value;
mod worker;

use proxy_wasm::traits::RootContext;

/// A separate module, because the macro's function is public and undocumented.
mod start {
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(super::root_context);
    }}
}

/// Creates the root context for the plugin's `root_id`.
fn root_context(id: u32) -> Box<dyn RootContext> {
    match direct::property("plugin_root_id").as_deref() {
        Some(connections::ROOT_ID) => Box::new(connections::Root::default()),
        _ => Box::new(root::Root::new(id)),
    }
}
