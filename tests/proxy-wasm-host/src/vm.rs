//! One VM: an instance of the plugin, its root contexts and its streams.
//!
//! The embedder plays the rest of Envoy: it opens streams, passes on what clients and upstreams
//! send, answers callouts, moves the clock, and reads the results from [`Vm::take_events`].
//! VMs share a [`Process`]. `flow` moves the parts of a stream through the plugin; `roots` manages
//! root contexts.

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

/// The settings of a VM.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// VMs with the same id share data and queues.
    pub vm_id: String,
    /// Selects the plugin within the module.
    pub root_id: String,
    /// The VM's configuration.
    pub vm_configuration: Vec<u8>,
    /// The plugin's configuration. Envoy turns YAML into a serialized `google.protobuf.Struct`;
    /// other control planes send JSON.
    pub configuration: Vec<u8>,
}

/// An incoming request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Its headers, including `:method`, `:path` and `:authority`.
    pub headers: Headers,
    /// True if no body or trailers follow.
    pub is_end: bool,
    /// The properties that Envoy and earlier filters set.
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
    /// [`StartError`] if the plugin crashes or rejects its configuration.
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

    /// Returns this VM's number within the process.
    #[must_use]
    pub fn number(&self) -> VmNumber {
        self.host().vm
    }

    /// Returns the crash, if there was one. A crashed plugin never runs again.
    #[must_use]
    pub const fn crash(&self) -> Option<&Crash> {
        self.crash.as_ref()
    }

    /// Returns the size of the plugin's memory, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.host().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// Returns the open streams.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamNumber> {
        self.host().streams.keys().copied().collect()
    }

    /// Returns true if the plugin has paused the stream's request.
    #[must_use]
    pub fn is_paused(&self, stream: StreamNumber) -> bool {
        self.host().streams.get(&stream).is_some_and(|stream| stream.request.is_paused)
    }

    /// Returns the property that the plugin set at `path` on a stream. Envoy's access log prints it
    /// as `%FILTER_STATE(wasm.<path>:PLAIN)%`.
    #[must_use]
    pub fn filter_state(&self, stream: StreamNumber, path: &str) -> Option<&[u8]> {
        let stream = self.host().streams.get(&stream)?;
        stream.filter_state.get(path.as_bytes()).map(Vec::as_slice)
    }

    /// Takes the events since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.host_mut().events)
    }

    /// Delivers the outcome of a callout to the plugin. Does nothing if the token is unknown or the
    /// context that made the call has ended.
    pub fn answer_callout(&mut self, token: u32, fate: Fate) {
        let Some(context) = self.host_mut().callouts.remove(&token) else { return };
        let reply = fate.into_reply();
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (headers, body, trailers) = reply.as_ref().map_or((0, 0, 0), |reply| {
            (count(reply.headers.len()), count(reply.body.len()), count(reply.trailers.len()))
        });
        self.host_mut().reply = reply.map(|reply| (context, reply));
        let callback = self.exports.callout.clone();
        let params = (context, token, headers, body, trailers);
        self.invoke("proxy_on_http_call_response", callback, context, params);
        self.host_mut().reply = None;
        self.run_deferred();
    }

    /// Returns true if a queue has an item for this VM.
    #[must_use]
    pub fn has_wakes(&self) -> bool {
        self.host().process.read().queues.wakes(self.number())
    }

    /// Runs the next turn of the event loop: calls the plugin for each queued item. Items enqueued
    /// meanwhile wait for the turn after.
    pub fn run_wakes(&mut self) {
        let number = self.number();
        let wakes = self.host().process.state().queues.take_wakes(number);
        for wake in wakes {
            if self.host().roots.contains_key(&wake.root) {
                let callback = self.exports.queue_ready.clone();
                let params = (wake.root, wake.queue);
                self.invoke("proxy_on_queue_ready", callback, wake.root, params);
                self.run_deferred();
            }
        }
    }

    fn host(&self) -> &HostState {
        self.store.data()
    }

    fn host_mut(&mut self) -> &mut HostState {
        self.store.data_mut()
    }

    /// Calls a plugin callback in `context`. Returns `None` if the plugin doesn't export it,
    /// crashed earlier, or crashes during the call.
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

/// Resets the fuel. `set_fuel` fails only if the engine was built without fuel, and ours has it.
fn refuel(store: &mut Store<HostState>) {
    let _ = store.set_fuel(MAX_FUEL);
}
