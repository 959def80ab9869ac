//! One VM: an instance of the plugin, its root contexts and its streams.
//!
//! The embedder plays the rest of Envoy: it opens streams, hands over what clients and upstreams
//! send, answers callouts, moves the clock, and reads from [`Vm::take_events`] what came of it.
//! [`Process`] says what VMs share. How parts of a stream pass is in `flow`; what root contexts go
//! through, in `roots`.

mod flow;
mod roots;

pub use roots::StartError;

use crate::callout::Fate;
use crate::event::{Crash, Event, StreamNumber};
use crate::exports::Exports;
use crate::headers::Headers;
use crate::plugin::{MAX_FUEL, MAX_MEMORY_BYTES, Plugin};
use crate::process::Process;
use crate::properties::Properties;
use crate::shared::VmNumber;
use crate::state::HostState;
use wasmtime::{Store, StoreLimitsBuilder, TypedFunc, WasmParams, WasmResults};

/// What a VM is started with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which VMs share data and queues.
    pub vm_id: String,
    /// Which of its plugins the module is to be.
    pub root_id: String,
    /// The VM's configuration.
    pub vm_configuration: Vec<u8>,
    /// The plugin's configuration: from YAML, Envoy makes the binary form of a
    /// `google.protobuf.Struct`; other control planes send JSON.
    pub configuration: Vec<u8>,
}

/// A request as it arrives.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Its headers, `:method`, `:path` and `:authority` among them.
    pub headers: Headers,
    /// Whether nothing follows.
    pub is_end: bool,
    /// What Envoy and the filters before have to say of it.
    pub properties: Properties,
}

/// A running plugin.
pub struct Vm {
    store: Store<HostState>,
    exports: Exports,
    crash: Option<Crash>,
    newest_root: u32,
}

impl Vm {
    /// Starts a plugin and configures it.
    ///
    /// # Errors
    /// [`StartError`] where it crashes meanwhile or refuses.
    pub fn start(
        plugin: &Plugin,
        process: &Process,
        options: &Options,
    ) -> Result<Self, StartError> {
        let limits = StoreLimitsBuilder::new().memory_size(MAX_MEMORY_BYTES).build();
        let host = HostState::new(process.clone(), options, limits);
        let mut store = Store::new(&plugin.engine, host);
        store.limiter(|host| &mut host.limits);
        refuel(&mut store);
        let trapped = |error: wasmtime::Error| StartError::Crashed(format!("{error:#}"));
        let instance = plugin.instance.instantiate(&mut store).map_err(trapped)?;
        let exports = Exports::of(&instance, &mut store);
        let memory = instance.get_memory(&mut store, "memory");
        let allocate = instance
            .get_typed_func(&mut store, "proxy_on_memory_allocate")
            .or_else(|_| instance.get_typed_func(&mut store, "malloc"))
            .ok();
        (store.data_mut().memory, store.data_mut().allocate) = (memory, allocate);
        let mut vm = Self { store, exports, crash: None, newest_root: 0 };
        let initialize = vm.exports.initialize.clone();
        vm.invoke("_initialize", initialize, 0, ());
        vm.configure(options.configuration.clone())?;
        Ok(vm)
    }

    /// The process's number for it.
    #[must_use]
    pub fn number(&self) -> VmNumber {
        self.host().vm
    }

    /// How it crashed, if it has. Nothing of the plugin runs any more then.
    #[must_use]
    pub const fn crash(&self) -> Option<&Crash> {
        self.crash.as_ref()
    }

    /// How many bytes of memory it has.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.host().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// The streams that are there.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamNumber> {
        self.host().streams.keys().copied().collect()
    }

    /// Whether a stream's request has been stopped by the plugin.
    #[must_use]
    pub fn is_paused(&self, stream: StreamNumber) -> bool {
        self.host().streams.get(&stream).is_some_and(|stream| stream.request.is_paused)
    }

    /// What the plugin has set under `path` on a stream: Envoy's access log prints it as
    /// `%FILTER_STATE(wasm.<path>:PLAIN)%`.
    #[must_use]
    pub fn filter_state(&self, stream: StreamNumber, path: &str) -> Option<&[u8]> {
        let stream = self.host().streams.get(&stream)?;
        stream.filter_state.get(path.as_bytes()).map(Vec::as_slice)
    }

    /// Takes what the plugin has done since, in its order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.host_mut().events)
    }

    /// Tells the plugin what became of a callout. If the context that it belongs to has ended, or
    /// the token is unknown, nothing happens.
    pub fn answer_callout(&mut self, token: u32, fate: Fate) {
        let Some(context) = self.host_mut().callouts.remove(&token) else { return };
        let reply = fate.shown();
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (headers, body, trailers) = reply.as_ref().map_or((0, 0, 0), |reply| {
            (count(reply.headers.len()), count(reply.body.len()), count(reply.trailers.len()))
        });
        self.host_mut().reply = reply.map(|reply| (context, reply));
        let callback = self.exports.callout.clone();
        let params = (context, token, headers, body, trailers);
        self.invoke("proxy_on_http_call_response", callback, context, params);
        self.host_mut().reply = None;
        self.act();
    }

    /// Whether queues have something for this VM.
    #[must_use]
    pub fn has_wakes(&self) -> bool {
        self.host().process.read().queues.wakes(self.number())
    }

    /// Tells the plugin of its queues: the next turn of the event loop. What is put in meanwhile is
    /// for the turn after.
    pub fn run_wakes(&mut self) {
        let number = self.number();
        let wakes = self.host().process.state().queues.take_wakes(number);
        for wake in wakes {
            if self.host().roots.contains_key(&wake.root) {
                let callback = self.exports.queue_ready.clone();
                let params = (wake.root, wake.queue);
                self.invoke("proxy_on_queue_ready", callback, wake.root, params);
                self.act();
            }
        }
    }

    fn host(&self) -> &HostState {
        self.store.data()
    }

    fn host_mut(&mut self) -> &mut HostState {
        self.store.data_mut()
    }

    /// Calls the plugin in the context `context`. `None` where it has no such callback, or has
    /// crashed, now or before.
    fn invoke<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &'static str,
        callback: Option<TypedFunc<P, R>>,
        context: u32,
        params: P,
    ) -> Option<R> {
        let callback = callback.filter(|_| self.crash.is_none())?;
        let host = self.host_mut();
        (host.current, host.effective, host.has_answered) = (context, 0, false);
        refuel(&mut self.store);
        let returned = callback.call(&mut self.store, params);
        let host = self.host_mut();
        (host.current, host.effective) = (0, 0);
        returned.map_err(|trap| self.crashed(name, &trap)).ok()
    }

    fn crashed(&mut self, callback: &'static str, trap: &wasmtime::Error) {
        let host = self.host_mut();
        let last_words = host.last_words.clone();
        let crash = Crash { callback, trap: format!("{trap:#}"), last_words };
        host.deferred.clear();
        host.events.push(Event::Crashed(crash.clone()));
        self.crash = Some(crash);
    }
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm").field("number", &self.number()).finish_non_exhaustive()
    }
}

/// Fuel is always to be had: the engine was made so.
fn refuel(store: &mut Store<HostState>) {
    let _ = store.set_fuel(MAX_FUEL);
}
