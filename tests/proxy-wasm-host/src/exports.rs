//! The callbacks that a plugin exports.

use crate::state::HostState;
use wasmtime::{Instance, Store, TypedFunc};

type Callback<P, R = ()> = Option<TypedFunc<P, R>>;

/// The callbacks that this host calls; `None` where the plugin lacks one.
#[derive(Clone)]
pub(crate) struct Exports {
    pub(crate) initialize: Callback<()>,
    pub(crate) create: Callback<(u32, u32)>,
    pub(crate) vm_start: Callback<(u32, u32), u32>,
    pub(crate) configure: Callback<(u32, u32), u32>,
    pub(crate) tick: Callback<(u32,)>,
    pub(crate) queue_ready: Callback<(u32, u32)>,
    pub(crate) callout: Callback<(u32, u32, u32, u32, u32)>,
    pub(crate) request_headers: Callback<(u32, u32, u32), u32>,
    pub(crate) request_body: Callback<(u32, u32, u32), u32>,
    pub(crate) request_trailers: Callback<(u32, u32), u32>,
    pub(crate) response_headers: Callback<(u32, u32, u32), u32>,
    pub(crate) response_body: Callback<(u32, u32, u32), u32>,
    pub(crate) response_trailers: Callback<(u32, u32), u32>,
    pub(crate) done: Callback<(u32,), u32>,
    pub(crate) log: Callback<(u32,)>,
    pub(crate) delete: Callback<(u32,)>,
}

impl Exports {
    /// Looks up the callbacks of `instance`.
    pub(crate) fn of(instance: &Instance, store: &mut Store<HostState>) -> Self {
        macro_rules! callback {
            ($name:literal) => {
                instance.get_typed_func(&mut *store, $name).ok()
            };
        }
        Self {
            initialize: callback!("_initialize"),
            create: callback!("proxy_on_context_create"),
            vm_start: callback!("proxy_on_vm_start"),
            configure: callback!("proxy_on_configure"),
            tick: callback!("proxy_on_tick"),
            queue_ready: callback!("proxy_on_queue_ready"),
            callout: callback!("proxy_on_http_call_response"),
            request_headers: callback!("proxy_on_request_headers"),
            request_body: callback!("proxy_on_request_body"),
            request_trailers: callback!("proxy_on_request_trailers"),
            response_headers: callback!("proxy_on_response_headers"),
            response_body: callback!("proxy_on_response_body"),
            response_trailers: callback!("proxy_on_response_trailers"),
            done: callback!("proxy_on_done"),
            log: callback!("proxy_on_log"),
            delete: callback!("proxy_on_delete"),
        }
    }
}
