//! Tollgate's Envoy plugin: turns Envoy's callbacks into calls of [`limits::gate::Gate`], and does
//! what it answers. There is no policy, no arithmetic and no state of a request here.
//!
//! It stands on the `proxy-wasm` crate, whose dispatcher calls a context's methods. The build drops
//! the exports of callbacks that no context here implements: a new one must be named in
//! `tests/harness/src/wasm/exports.rs`, or Envoy never calls it.
//!
//! Nothing in this crate may panic: a panic hangs every paused stream of its worker. The lints see
//! to it.

mod configuration;
mod connections;
mod direct;
mod facts;
mod headers;
mod host;
mod metrics;
mod root;
mod shared;
mod stream;
mod value;
mod worker;

use proxy_wasm::traits::RootContext;

/// Apart, since the macro's function is public and has no documentation.
mod start {
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(super::root_context);
    }}
}

/// Makes the root context that the plugin's `root_id` asks for.
fn root_context(id: u32) -> Box<dyn RootContext> {
    match direct::property("plugin_root_id").as_deref() {
        Some(connections::ROOT_ID) => Box::new(connections::Root::default()),
        _ => Box::new(root::Root::new(id)),
    }
}
